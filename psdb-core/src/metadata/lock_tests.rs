//! Proves, for any commands at any times, that the locks behave like a plain list of claims in the
//! order they came, that no token is given out twice, and that every bound holds and is named.

use proptest::collection::vec;
use proptest::prelude::*;

use super::lock_command::{LockAnswer, LockCommand};
use super::locks::{ClaimState, Locks, PRESENCE_MILLIS};
use crate::transport::message::{LockClaim, LockLease};
use crate::types::{ClientId, Code, Error, Limits, Timestamp};

fn claim() -> impl Strategy<Value = LockClaim> {
    (0..3_u64, 0..6_u64)
        .prop_map(|(client, sequence)| LockClaim { client: ClientId(client), sequence })
}

/// Any command about one of two locks, with few enough claims and tokens that they meet.
pub(super) fn lock_command() -> impl Strategy<Value = LockCommand> {
    let name = || "[xy]";
    let ttl = 0..40_u64;
    prop_oneof![
        6 => (name(), claim(), ttl.clone(), 0..60_u64).prop_map(|(name, claim, ttl, wait)| {
            LockCommand::Acquire {
                name,
                claim,
                holder: format!("{}", claim.client),
                ttl_millis: ttl,
                wait_millis: wait,
            }
        }),
        1 => (name(), claim()).prop_map(|(name, claim)| LockCommand::KeepPlace { name, claim }),
        2 => (name(), 0..12_u64, ttl)
            .prop_map(|(name, token, ttl_millis)| LockCommand::Renew { name, token, ttl_millis }),
        2 => (name(), 0..12_u64).prop_map(|(name, token)| LockCommand::Release { name, token }),
        2 => Just(LockCommand::Expire),
    ]
}

/// What the model knows of one claim.
#[derive(Clone, Debug, PartialEq)]
enum Stand {
    Waits { until: u64, keep_by: u64 },
    Holds { token: u64, expires: u64 },
    Over,
}

/// Every claim that ever was, in the order they came.
#[derive(Default)]
struct Model {
    claims: Vec<(String, LockClaim, u64, Stand)>,
    tokens: u64,
}

impl Model {
    fn settle(&mut self, name: &str, now: u64) {
        for (at, _, _, stand) in &mut self.claims {
            let over = match stand {
                Stand::Waits { until, keep_by } => *until.min(keep_by) <= now,
                Stand::Holds { expires, .. } => *expires <= now,
                Stand::Over => false,
            };
            if at == name && over {
                *stand = Stand::Over;
            }
        }
        self.pass_on(name, now);
    }

    fn pass_on(&mut self, name: &str, now: u64) {
        if self.holder(name).is_some() {
            return;
        }
        let waits = |stand: &Stand| matches!(stand, Stand::Waits { .. });
        if let Some((_, _, ttl, stand)) =
            self.claims.iter_mut().find(|(at, _, _, stand)| at == name && waits(stand))
        {
            self.tokens += 1;
            *stand = Stand::Holds { token: self.tokens, expires: now + (*ttl).max(1) };
        }
    }

    fn holder(&mut self, name: &str) -> Option<(u64, &mut Stand)> {
        self.claims.iter_mut().find_map(|(at, _, _, stand)| match *stand {
            Stand::Holds { token, .. } if at == name => Some((token, stand)),
            _ => None,
        })
    }

    fn due(&self, name: &str) -> Option<u64> {
        let here = self.claims.iter().filter(|(at, ..)| at == name);
        let due = here.filter_map(|(.., stand)| match stand {
            Stand::Waits { until, keep_by } => Some(*until.min(keep_by)),
            Stand::Holds { expires, .. } => Some(*expires),
            Stand::Over => None,
        });
        due.min()
    }

    fn stand(&self, name: &str, claim: LockClaim) -> &Stand {
        let lives = |(at, known, _, stand): &&(String, LockClaim, u64, Stand)| {
            at == name && *known == claim && *stand != Stand::Over
        };
        self.claims.iter().find(lives).map_or(&Stand::Over, |(.., stand)| stand)
    }

    fn apply(&mut self, now: u64, command: &LockCommand) {
        match command {
            LockCommand::Acquire { name, claim, ttl_millis, wait_millis, .. } => {
                self.settle(name, now);
                let free = self.holder(name).is_none();
                if *self.stand(name, *claim) == Stand::Over && (free || *wait_millis > 0) {
                    // A claim that finds the lock free is first in an empty queue.
                    let until = now + wait_millis;
                    let stand = Stand::Waits { until, keep_by: now + PRESENCE_MILLIS };
                    self.claims.push((name.clone(), *claim, *ttl_millis, stand));
                    self.pass_on(name, now);
                }
            }
            LockCommand::KeepPlace { name, claim } => {
                self.settle(name, now);
                for (at, known, _, stand) in &mut self.claims {
                    if let Stand::Waits { keep_by, .. } = stand
                        && (&*at, &*known) == (name, claim)
                    {
                        *keep_by = now + PRESENCE_MILLIS;
                    }
                }
            }
            LockCommand::Renew { name, token, ttl_millis } => {
                self.settle(name, now);
                if let Some((held, stand)) = self.holder(name)
                    && held == *token
                {
                    *stand = Stand::Holds { token: held, expires: now + ttl_millis };
                }
            }
            LockCommand::Release { name, token } => {
                self.settle(name, now);
                if let Some((held, stand)) = self.holder(name)
                    && held == *token
                {
                    *stand = Stand::Over;
                    self.pass_on(name, now);
                }
            }
            LockCommand::Expire => {
                // Tokens are given out in the order in which something was over.
                while let Some((_, name)) = ["x", "y"]
                    .iter()
                    .filter_map(|name| Some((self.due(name)?, *name)))
                    .min()
                    .filter(|(due, _)| *due <= now)
                {
                    self.settle(name, now);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn locks_are_a_list_of_claims_in_the_order_they_came(
        commands in vec((0..25_u64, lock_command()), 1..80),
    ) {
        let (mut locks, mut model) = (Locks::default(), Model::default());
        let mut now = 1_000;
        for (pause, command) in commands {
            now += pause;
            let answer = locks.apply(Timestamp(now), command.clone());
            model.apply(now, &command);
            prop_assert_eq!(locks.last_token, model.tokens);
            locks.check_invariants().unwrap();
            for (name, claim, ..) in &model.claims {
                let known = locks.records.get(name.as_str()).and_then(|r| r.claim_state(*claim));
                match (model.stand(name, *claim), known) {
                    (Stand::Over, None) | (Stand::Waits { .. }, Some(ClaimState::Waiting { .. })) => {}
                    (Stand::Holds { token, expires }, Some(ClaimState::Held(lease))) => {
                        let expires_at = Timestamp(*expires);
                        prop_assert_eq!(lease, LockLease { token: *token, expires_at });
                    }
                    (model, known) => {
                        prop_assert!(false, "{name} {claim:?}: {model:?} is {known:?}");
                    }
                }
            }
            if let LockCommand::Renew { name, token, .. } | LockCommand::Release { name, token } =
                &command
            {
                let failed = matches!(answer, LockAnswer::Failed(Error::LockNotHeld { .. }));
                let granted = matches!(answer, LockAnswer::Granted(_) | LockAnswer::Done);
                prop_assert!(failed != granted, "{name} {token}: {answer:?}");
            }
        }
    }
}

fn acquire(name: &str, sequence: u64, wait_millis: u64) -> LockCommand {
    LockCommand::Acquire {
        name: name.into(),
        claim: LockClaim { client: ClientId(1), sequence },
        holder: "somebody".into(),
        ttl_millis: 1_000,
        wait_millis,
    }
}

fn refused(answer: LockAnswer) -> Error {
    match answer {
        LockAnswer::Failed(error) => error,
        other => panic!("{other:?} instead of an error"),
    }
}

#[test]
fn a_lock_too_many_is_refused_until_one_is_over() {
    let mut locks = Locks::default();
    for number in 0..Limits::LOCKS as u64 {
        let granted = locks.apply(Timestamp(number), acquire(&format!("{number}"), number, 0));
        assert!(matches!(granted, LockAnswer::Granted(_)), "{number}: {granted:?}");
    }
    let mut now = Timestamp(999);
    let error = refused(locks.apply(now, acquire("one more", 0, 0)));
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.to_string(), "too many locks: the limit is 10000");
    now.0 = 1_000;
    locks.apply(now, LockCommand::Expire);
    let granted = locks.apply(now, acquire("one more", 0, 0));
    assert!(matches!(granted, LockAnswer::Granted(_)), "{granted:?}");
    locks.check_invariants().unwrap();
}

#[test]
fn a_queue_has_an_end_and_so_have_all_queues_together() {
    let mut locks = Locks::default();
    let mut sequence = 0;
    let mut claim = |locks: &mut Locks, name: &str| {
        sequence += 1;
        locks.apply(Timestamp(0), acquire(name, sequence, 500))
    };
    let full = Limits::LOCK_CLAIMS / Limits::LOCK_QUEUE;
    for lock in 0..full {
        let name = format!("lock-{lock}");
        claim(&mut locks, &name);
        for ahead in 0..Limits::LOCK_QUEUE as u64 {
            assert_eq!(claim(&mut locks, &name), LockAnswer::Queued { ahead });
        }
        let error = refused(claim(&mut locks, &name));
        let said = format!("too many claims in the queue of lock '{name}': the limit is 256");
        assert_eq!(error.to_string(), said);
    }
    claim(&mut locks, "last");
    for _ in 0..Limits::LOCK_CLAIMS % Limits::LOCK_QUEUE {
        assert!(matches!(claim(&mut locks, "last"), LockAnswer::Queued { .. }));
    }
    let error = refused(claim(&mut locks, "last"));
    assert_eq!(error.to_string(), "too many claims waiting for locks: the limit is 10000");
    assert_eq!(error.code(), Code::ResourceExhausted);
    locks.apply(Timestamp(500), LockCommand::Expire);
    assert_eq!(claim(&mut locks, "last"), LockAnswer::Queued { ahead: 0 });
    locks.check_invariants().unwrap();
}

#[test]
fn one_expiry_ends_a_bounded_number_of_leases() {
    let mut locks = Locks::default();
    for number in 0..1_500 {
        locks.apply(Timestamp(0), acquire(&format!("{number}"), number, 0));
    }
    locks.apply(Timestamp(1_000), LockCommand::Expire);
    assert_eq!(locks.records.len(), 500);
    locks.apply(Timestamp(1_000), LockCommand::Expire);
    assert_eq!(locks.records.len(), 0);
    locks.check_invariants().unwrap();
}
