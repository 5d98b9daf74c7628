//! When a breaker opens: too many errors or refusals within an hour.

use crate::config::BreakersConfig;
use crate::ports::{BreakerScope, Counted, Tally};

/// The breakers that must open now and aren't open, each with the reason for people. At most one for each scope.
///
/// A breaker opens with the error or refusal that reaches its threshold; a threshold of zero is none.
pub fn trips(tally: &Tally, config: &BreakersConfig, who: &Counted) -> Vec<(BreakerScope, String)> {
    let errors = "failed or unknown calls";
    let agent = [
        reached(tally.errors_in_hour, config.agent_errors_per_hour, errors),
        reached(tally.denials_in_hour, config.agent_denials_per_hour, "refusals"),
    ];
    let account = [reached(tally.account_errors_in_hour, config.account_errors_per_hour, errors)];
    let scopes = [
        (BreakerScope::Agent(who.agent.clone()), agent.into_iter().flatten().collect::<Vec<_>>()),
        (BreakerScope::Account(who.account.clone()), account.into_iter().flatten().collect()),
    ];
    let closed = |scope: &BreakerScope| tally.open.iter().all(|breaker| breaker.scope != *scope);
    scopes
        .into_iter()
        .filter(|(scope, whys)| !whys.is_empty() && closed(scope))
        .map(|(scope, whys)| (scope, whys.join("; ")))
        .collect()
}

fn reached(count: u32, threshold: u32, what: &str) -> Option<String> {
    (threshold > 0 && count >= threshold).then(|| format!("{count} {what} within an hour (it opens at {threshold})"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::names::{Agent, SessionId};
    use crate::ports::Breaker;

    fn who() -> Counted {
        Counted { agent: Agent::new("kiro"), session: SessionId::new("s-1"), account: "210987654321".into() }
    }

    fn config(errors: u32, denials: u32, account: u32) -> BreakersConfig {
        BreakersConfig {
            agent_errors_per_hour: errors,
            agent_denials_per_hour: denials,
            account_errors_per_hour: account,
        }
    }

    #[test]
    fn each_breaker_says_why_it_opens() {
        let tally = Tally { errors_in_hour: 5, denials_in_hour: 31, account_errors_in_hour: 12, ..Tally::default() };
        let shown: Vec<_> = trips(&tally, &config(5, 30, 10), &who())
            .into_iter()
            .map(|(scope, why)| format!("{scope}: {why}"))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        agent kiro: 5 failed or unknown calls within an hour (it opens at 5); 31 refusals within an hour (it opens at 30)
        account 210987654321: 12 failed or unknown calls within an hour (it opens at 10)
        ");
    }

    #[test]
    fn what_is_open_does_not_open_again() {
        let breaker = Breaker {
            scope: BreakerScope::Agent(who().agent),
            opened_at: jiff::Timestamp::UNIX_EPOCH,
            why: "5 refusals".into(),
        };
        let tally = Tally { errors_in_hour: 9, account_errors_in_hour: 9, open: vec![breaker], ..Tally::default() };
        let scopes: Vec<_> = trips(&tally, &config(5, 5, 5), &who()).into_iter().map(|(scope, _)| scope).collect();
        assert_eq!(scopes, [BreakerScope::Account("210987654321".into())]);
    }

    proptest! {
        #[test]
        fn a_breaker_opens_at_its_threshold_and_never_at_none(count in 0_u32..40, threshold in 0_u32..40) {
            let opens = threshold > 0 && count >= threshold;
            let errors = Tally { errors_in_hour: count, ..Tally::default() };
            let denials = Tally { denials_in_hour: count, ..Tally::default() };
            let account = Tally { account_errors_in_hour: count, ..Tally::default() };
            prop_assert_eq!(!trips(&errors, &config(threshold, 0, 0), &who()).is_empty(), opens);
            prop_assert_eq!(!trips(&denials, &config(0, threshold, 0), &who()).is_empty(), opens);
            prop_assert_eq!(!trips(&account, &config(0, 0, threshold), &who()).is_empty(), opens);
            prop_assert!(trips(&errors, &config(0, threshold, threshold), &who()).is_empty());
        }
    }
}
