//! The ways back from a call: recovery points and undo.

use std::time::Duration;

use super::{Report, expression, operation, scopes, with};
use crate::manifest::raw::{RawRecoveryPoint, RawUndo, RawUndos};
use crate::manifest::spec::{RecoveryPoint, UndoHow, UndoWay, Usable};

/// How long is waited for a recovery point where a manifest doesn't say, in seconds.
const LONGEST_WAIT: u64 = 600;

/// What an undo is made of.
const WRITE: &str = "write `tool` and `with`, or `none` with the reason";

/// Compiles a recovery point; `None` where it is broken.
pub(super) fn point(index: usize, raw: &RawRecoveryPoint, report: &mut Report<'_>) -> Option<RecoveryPoint> {
    let pointer = format!("/recovery_points/{index}");
    let at = |key: &str| format!("{pointer}/{key}");
    let when = raw.when.as_ref().map(|text| expression(&at("when"), text, report));
    let take = operation(&at("take/operation"), &raw.take.operation, report);
    let arguments = with(&at("take"), &raw.take.with, report);
    let id = expression(&at("id"), &raw.id, report);
    let read = operation(&at("usable/operation"), &raw.usable.operation, report);
    let read_with = with(&at("usable"), &raw.usable.with, report);
    let good = expression(&at("usable/when"), &raw.usable.when, report);
    let never = raw.usable.never.as_ref().map(|text| expression(&at("usable/never"), text, report));
    let scopes = scopes(&at("scopes"), &raw.scopes, report);
    if raw.when.is_some() && when.as_ref().is_none_or(Option::is_none) {
        return None;
    }
    Some(RecoveryPoint {
        label: raw.label.clone(),
        when: when.flatten(),
        take: take?,
        with: arguments?,
        id: id?,
        usable: Usable { operation: read?, with: read_with?, when: good?, never: never.flatten() },
        most: Duration::from_secs(raw.seconds.unwrap_or(LONGEST_WAIT)),
        scopes,
    })
}

/// Compiles the ways to undo a call, without those that are broken.
pub(super) fn undo(raw: &RawUndos, report: &mut Report<'_>) -> Vec<UndoWay> {
    let count = raw.iter().count();
    let mut ways = Vec::new();
    for (index, (pointer, way)) in raw.iter().enumerate() {
        let last = index + 1 == count;
        match &way.when {
            Some(_) if last => report.at_key(
                &format!("{pointer}/when"),
                "nothing is said of the calls for which this doesn't hold",
                "take `when` out of the last way, or add one without it, such as `none` with the reason",
            ),
            None if !last => {
                let message = "this way always counts, so those after it never do";
                report.at(&pointer, message, "add `when`, or put it last");
            }
            _ => {}
        }
        ways.extend(self::way(&pointer, way, report));
    }
    ways
}

fn way(pointer: &str, raw: &RawUndo, report: &mut Report<'_>) -> Option<UndoWay> {
    let when = raw.when.as_ref().map(|text| expression(&format!("{pointer}/when"), text, report));
    let how = match raw {
        RawUndo { tool: None, with: None, none: Some(reason), loses, .. } => {
            if !loses.is_empty() {
                report.at_key(&format!("{pointer}/loses"), "there is no undo that could lose something", WRITE);
            }
            UndoHow::None { reason: reason.clone() }
        }
        RawUndo { tool: Some(tool), with: Some(arguments), none: None, loses, .. } => {
            UndoHow::Recipe { tool: tool.clone(), with: with(pointer, arguments, report)?, loses: loses.clone() }
        }
        _ => {
            report.at_key(pointer, "it is not clear how a call is undone", WRITE);
            return None;
        }
    };
    match (&raw.when, when) {
        (Some(_), Some(Some(when))) => Some(UndoWay { when: Some(when), how, by_hand: raw.by_hand.clone() }),
        (Some(_), _) => None,
        (None, _) => Some(UndoWay { when: None, how, by_hand: raw.by_hand.clone() }),
    }
}
