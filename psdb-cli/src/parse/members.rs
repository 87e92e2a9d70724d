//! `worker`, `master` and `shard`: orders about the members of a cluster.
//!
//! Left out: whether a node of that name exists, which is for the masters to say.

use super::{Parsed, Parser, number};
use crate::command::Order;

impl Parser<'_> {
    pub(super) fn worker(&mut self) -> Parsed<Order> {
        let action = self.word("drain, undrain or remove")?;
        match action.as_str() {
            "drain" => {
                let (worker, no_wait) = self.with_flag("the worker's name", "--no-wait")?;
                Ok(Order::DrainWorker { worker, wait: !no_wait })
            }
            "undrain" => Ok(Order::UndrainWorker { worker: self.word("the worker's name")? }),
            "remove" => {
                let (worker, yes) = self.with_flag("the worker's name", "--yes")?;
                Ok(Order::RemoveWorker { worker, yes })
            }
            other => {
                Err(format!("unexpected '{other}'; a worker is drained, undrained or removed"))
            }
        }
    }

    pub(super) fn master(&mut self) -> Parsed<Order> {
        let action = self.word("add or remove")?;
        match action.as_str() {
            "add" => {
                let text = self.word("the master as ID=HOST:PORT")?;
                match text.split_once('=') {
                    Some((master, address)) if !master.is_empty() && !address.is_empty() => {
                        let (master, address) = (master.to_string(), address.to_string());
                        Ok(Order::AddMaster { master, address })
                    }
                    _ => Err(format!("'{text}' is no master; write ID=HOST:PORT")),
                }
            }
            "remove" => {
                let (master, yes) = self.with_flag("the master's name", "--yes")?;
                Ok(Order::RemoveMaster { master, yes })
            }
            other => Err(format!("unexpected '{other}'; a master is added or removed")),
        }
    }

    pub(super) fn shard(&mut self) -> Parsed<Order> {
        let action = self.word("move")?;
        if action != "move" {
            return Err(format!("unexpected '{action}'; a shard is moved"));
        }
        let shard = number("move", &self.word("the shard's number")?)?;
        let shard = u32::try_from(shard).map_err(|_| format!("there is no shard {shard}"))?;
        let from = self.word("the worker that a replica leaves")?;
        let (to, no_wait) = self.with_flag("the worker it goes to", "--no-wait")?;
        Ok(Order::MoveShard { shard, from, to, wait: !no_wait })
    }

    /// A word, and whether `flag` stands before or after it.
    fn with_flag(&mut self, what: &str, flag: &str) -> Parsed<(String, bool)> {
        let before = self.flag(flag)?;
        let word = self.word(what)?;
        Ok((word, self.flag(flag)? || before))
    }
}
