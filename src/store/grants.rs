//! Consents, and whose signatures count.

use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::plans::Transaction;
use super::{failure, people};
use crate::approval::people::same;
use crate::approval::statement::{Saying, Signed};
use crate::names::{GrantId, Human};
use crate::plan::filed::FiledPlan;
use crate::ports::{Claim, GrantKind, GrantRecord, StoreError};

/// The unused grants of a plan that still count, oldest first. Parameter: the plan.
pub(super) const SELECT_ALL: &str = "SELECT record FROM grants WHERE plan = ? AND used = 0 ORDER BY id";

/// Records a consent, where whoever gave it may give it.
pub(super) async fn record(db: &mut Transaction<'_>, grant: &GrantRecord) -> Result<bool, StoreError> {
    let plan = db.open_plan(&grant.plan, grant.at).await?;
    if plan.digest != grant.digest {
        return Err(not_granted(&grant.id, "it is for another digest than the plan's"));
    }
    check_giver(db, grant, &plan).await?;
    let signer = grant.signed.as_ref().map(|_| people::key(&grant.by));
    if grant.kind == GrantKind::Approval {
        check_first(db, grant, signer.as_deref()).await?;
    }
    let record = serde_json::to_string(grant)
        .map_err(|error| StoreError::Failed(format!("grant {} can't be written: {error}", grant.id)))?;
    let query = sqlx::query(
        "INSERT INTO grants (id, plan, digest, expires_at, record, kind, signer) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(grant.id.as_str())
    .bind(grant.plan.as_str())
    .bind(grant.digest.as_bytes().as_slice())
    .bind(grant.expires_at.as_microsecond())
    .bind(record)
    .bind(kind_word(grant.kind))
    .bind(signer);
    db.write(query).await?;
    Ok(true)
}

/// Refuses a grant that a claim can't use up.
pub(super) async fn check(
    db: &mut Transaction<'_>,
    id: &GrantId,
    claim: &Claim,
    plan: &FiledPlan,
) -> Result<GrantRecord, StoreError> {
    let row = db.row(sqlx::query("SELECT record, used FROM grants WHERE id = ?").bind(id.as_str())).await?;
    let Some(row) = row else { return Err(not_granted(id, "there is none of that name")) };
    let used: i64 = row.try_get("used").map_err(|error| failure::database(db.path, &error))?;
    let grant = grant(&row, db.path)?;
    if grant.id != *id || grant.plan != claim.plan {
        return Err(not_granted(id, "it is for another plan"));
    }
    if grant.digest != claim.digest {
        return Err(not_granted(id, "it is for another digest than the plan's"));
    }
    match used {
        0 => {}
        2 => return Err(not_granted(id, &format!("`{}` may not sign any more", grant.by))),
        _ => return Err(not_granted(id, "it was used already")),
    }
    if grant.expires_at <= claim.now {
        return Err(not_granted(id, &format!("it expired at {}", grant.expires_at)));
    }
    check_giver(db, &grant, plan).await?;
    Ok(grant)
}

/// Refuses where one person would both carry a plan out and be among those who approve it.
pub(super) fn check_together(grants: &[GrantRecord]) -> Result<(), StoreError> {
    let of = |kind| grants.iter().filter(move |grant| grant.kind == kind);
    let applies = |by: &Human| of(GrantKind::Application).any(|grant| same(&grant.by, by));
    match of(GrantKind::Approval).find(|grant| applies(&grant.by)) {
        Some(grant) => Err(not_granted(&grant.id, &format!("`{}` carries the plan out", grant.by))),
        None => Ok(()),
    }
}

/// Makes what somebody signed, and what is not used up yet, worth nothing.
pub(super) async fn void(db: &mut Transaction<'_>, signer: &str) -> Result<(), StoreError> {
    db.write(sqlx::query("UPDATE grants SET used = 2 WHERE signer = ? AND used = 0").bind(signer)).await?;
    Ok(())
}

pub(super) fn not_granted(grant: &GrantId, why: &str) -> StoreError {
    StoreError::NotGranted(format!("grant {grant} does not count: {why}"))
}

/// A grant's row.
pub(super) fn grant(row: &SqliteRow, path: &Path) -> Result<GrantRecord, StoreError> {
    let record: &str = row.try_get("record").map_err(|error| failure::database(path, &error))?;
    serde_json::from_str(record).map_err(|error| failure::unreadable(path, "a grant", &error.to_string()))
}

/// Refuses a consent of somebody who can't give it, as things are now.
async fn check_giver(db: &mut Transaction<'_>, grant: &GrantRecord, plan: &FiledPlan) -> Result<(), StoreError> {
    let human = &plan.content.human;
    let refuse = |why: String| Err(not_granted(&grant.id, &why));
    let Some(signed) = &grant.signed else {
        return match grant.kind {
            GrantKind::Confirmation if same(&grant.by, human) => Ok(()),
            GrantKind::Confirmation => refuse(format!("the plan is made for `{human}`, not for `{}`", grant.by)),
            GrantKind::Approval | GrantKind::Application => refuse("it is not signed".to_owned()),
        };
    };
    if !says(signed, grant) {
        return refuse("what was signed is not what it stands for".to_owned());
    }
    let person = people::active(db, &grant.by).await?;
    if !person.passkeys.contains(&signed.passkey) {
        return refuse(format!("it is not signed with a passkey of `{}`", grant.by));
    }
    match grant.kind {
        GrantKind::Approval if person.is(human) => {
            refuse(format!("the plan is made for `{human}`, who can't be its second person too"))
        }
        GrantKind::Confirmation if !person.is(human) => {
            refuse(format!("the plan is made for `{human}`, not for `{}`", grant.by))
        }
        GrantKind::Application if !plan.content.is_for_a_person() => {
            refuse("the agent carries this plan out, not a person".to_owned())
        }
        GrantKind::Approval | GrantKind::Confirmation | GrantKind::Application => Ok(()),
    }
}

/// True where the statement says what the grant stands for, by the same person on the same plan.
fn says(signed: &Signed, grant: &GrantRecord) -> bool {
    let expected = Saying::of(grant.kind, grant.plan.clone(), grant.digest);
    signed.statement.saying == expected && signed.statement.by == grant.by
}

/// The index `one_approval_each` would fail the whole batch; this only refuses.
async fn check_first(db: &mut Transaction<'_>, grant: &GrantRecord, signer: Option<&str>) -> Result<(), StoreError> {
    let query =
        sqlx::query("SELECT id FROM grants WHERE plan = ? AND signer = ? AND kind = 'approval' AND used <> 2 LIMIT 1");
    match db.row(query.bind(grant.plan.as_str()).bind(signer)).await? {
        None => Ok(()),
        Some(_) => Err(not_granted(&grant.id, &format!("`{}` has approved this plan already", grant.by))),
    }
}

fn kind_word(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::Confirmation => "confirmation",
        GrantKind::Approval => "approval",
        GrantKind::Application => "application",
    }
}
