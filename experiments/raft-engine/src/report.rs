//! What was expected, what was seen, and what that means.
//!
//! Invariant: the experiment holds only if every scenario shows exactly the predicted fault on
//! async-raft and exactly the expected behaviour on openraft. Anything else, a scenario that could
//! not be played included, is a surprise and fails the run.

use std::fmt;

use anyhow::Result;

/// What one library showed in one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It did what Raft requires.
    Correct,
    /// It showed the predicted fault.
    Fault,
    /// It did something else, or the scenario could not be played.
    Surprise,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Correct => "correct",
            Verdict::Fault => "FAULT",
            Verdict::Surprise => "SURPRISE",
        })
    }
}

/// One library in one scenario.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) engine: &'static str,
    pub(crate) text: String,
    pub(crate) verdict: Verdict,
}

impl Seen {
    /// Judges what was seen by what was expected and what was predicted.
    pub(crate) fn judge(
        engine: &'static str,
        played: Result<String>,
        expected: &str,
        fault: &str,
    ) -> Seen {
        let (text, verdict) = match played {
            Ok(text) if text == expected => (text, Verdict::Correct),
            Ok(text) if text == fault => (text, Verdict::Fault),
            Ok(text) => (text, Verdict::Surprise),
            Err(error) => (format!("not played: {error:#}"), Verdict::Surprise),
        };
        Seen { engine, text, verdict }
    }
}

/// One scenario on both libraries.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) story: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) async_raft: Seen,
    pub(crate) openraft: Seen,
}

impl Row {
    fn holds(&self) -> bool {
        self.async_raft.verdict == Verdict::Fault && self.openraft.verdict == Verdict::Correct
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.story)?;
        writeln!(f, "  {:<17} {}", "expected", self.expected)?;
        for seen in [&self.async_raft, &self.openraft] {
            writeln!(f, "  {:<17} {}  [{}]", seen.engine, seen.text, seen.verdict)?;
        }
        Ok(())
    }
}

/// Prints the table of verdicts; returns whether the experiment holds.
pub(crate) fn summarize(rows: &[Row]) -> bool {
    let (left, right) = rows.first().map_or(("", ""), |r| (r.async_raft.engine, r.openraft.engine));
    println!("{:<18} {left:<18} {right}", "scenario");
    for row in rows {
        println!("{:<18} {:<18} {}", row.name, row.async_raft.verdict, row.openraft.verdict);
    }
    let holding = rows.iter().filter(|row| row.holds()).count();
    println!("\n{holding} of {} scenarios: a fault of {left}, none of {right}", rows.len());
    holding == rows.len() && !rows.is_empty()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    /// Proves that only the two foreseen texts count, and that a broken scenario is no evidence.
    #[test]
    fn anything_unforeseen_is_a_surprise() {
        let judge = |played| Seen::judge("engine", played, "good", "bad").verdict;
        assert_eq!(judge(Ok("good".to_owned())), Verdict::Correct);
        assert_eq!(judge(Ok("bad".to_owned())), Verdict::Fault);
        assert_eq!(judge(Ok("odd".to_owned())), Verdict::Surprise);
        assert_eq!(judge(Err(anyhow!("no leader"))), Verdict::Surprise);
    }

    /// Proves that the experiment fails when a library behaves other than predicted.
    #[test]
    fn the_experiment_holds_only_as_predicted() {
        let row = |left: &str, right: &str| Row {
            name: "name",
            story: "story",
            expected: "good",
            async_raft: Seen::judge("left", Ok(left.to_owned()), "good", "bad"),
            openraft: Seen::judge("right", Ok(right.to_owned()), "good", "bad"),
        };
        assert!(summarize(&[row("bad", "good")]));
        assert!(!summarize(&[row("bad", "good"), row("good", "good")]));
        assert!(!summarize(&[row("bad", "bad")]));
        assert!(!summarize(&[row("odd", "good")]));
        assert!(!summarize(&[]));
    }
}
