//! The table of a run, its goals, and `docs/benchmarks/storage.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::measure::Rate;

/// All figures of a run.
#[derive(Default)]
pub struct Report {
    /// Questions in the order they were asked, each with the answer of every engine.
    rates: Vec<(&'static str, BTreeMap<&'static str, Rate>)>,
    /// Figures that are no rates.
    figures: Vec<(String, String)>,
    goals: Vec<(String, bool)>,
}

impl Report {
    pub fn rates(&mut self, question: &'static str, rates: BTreeMap<&'static str, Rate>) {
        println!("{question}");
        for (engine, rate) in &rates {
            let Rate { per_second, cpu_micros } = rate;
            println!("  {engine:8} {per_second:>12.0}/s {cpu_micros:>9.2} CPU-µs");
        }
        self.rates.push((question, rates));
    }

    pub fn figure(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        println!("{name}: {value}");
        self.figures.push((name, value));
    }

    /// Notes whether a ratio reaches its goal, from above.
    pub fn at_least(&mut self, what: &str, ratio: f64, goal: f64) {
        self.goals.push((format!("{what}: {ratio:.2}, goal at least {goal}"), ratio >= goal));
    }

    /// Notes whether a figure stays within its goal.
    pub fn at_most(&mut self, what: &str, figure: f64, goal: f64) {
        self.goals.push((format!("{what}: {figure:.2}, goal at most {goal}"), figure <= goal));
    }

    /// The rate of an engine for a question.
    pub fn rate(&self, question: &str, engine: &str) -> f64 {
        let found = self.rates.iter().find(|(asked, _)| *asked == question);
        found.and_then(|(_, rates)| rates.get(engine)).map_or(f64::NAN, |rate| rate.per_second)
    }

    pub fn met(&self) -> (usize, usize) {
        (self.goals.iter().filter(|(_, met)| *met).count(), self.goals.len())
    }

    pub fn print_goals(&self) {
        for (goal, met) in &self.goals {
            println!("{} {goal}", if *met { "met   " } else { "missed" });
        }
    }

    /// Writes the page; what stands below its last line `## What the figures say` is kept.
    pub fn write(&self, path: &Path, machine: &[(String, String)]) {
        let marker = "## What the figures say\n";
        let old = fs::read_to_string(path).unwrap_or_default();
        let kept = old.split_once(marker).map_or("\n", |(_, kept)| kept);
        let page = format!("{}{marker}{kept}", self.page(machine));
        fs::create_dir_all(path.parent().expect("the page has a folder")).expect("a folder");
        fs::write(path, page).expect("the page is written");
    }

    fn page(&self, machine: &[(String, String)]) -> String {
        let mut page = String::from(
            "# Storage beside its rivals\n\n\
             Written by `cargo bench --manifest-path benches/Cargo.toml --bench storage`; do not edit \
             above the last heading.\nKeys of 24 bytes, values of 150. Every figure is the median of \
             rounds in which all engines took turns.\nOperations per second, and in brackets \
             CPU-µs per operation of the whole process.\n\n",
        );
        for (name, value) in machine {
            writeln!(page, "- {name}: {value}").expect("a string");
        }
        let engines: Vec<&str> = self
            .rates
            .first()
            .map(|(_, rates)| rates.keys().copied().collect())
            .unwrap_or_default();
        writeln!(page, "\n| | {} |", engines.join(" | ")).expect("a string");
        writeln!(page, "|---|{}", "---:|".repeat(engines.len())).expect("a string");
        for (question, rates) in &self.rates {
            let cells: Vec<String> = engines
                .iter()
                .map(|engine| match rates.get(engine) {
                    Some(rate) => format!("{:.0} ({:.1})", rate.per_second, rate.cpu_micros),
                    None => String::new(),
                })
                .collect();
            writeln!(page, "| {question} | {} |", cells.join(" | ")).expect("a string");
        }
        page.push('\n');
        for (name, value) in &self.figures {
            writeln!(page, "- {name}: {value}").expect("a string");
        }
        page.push_str("\n## Goals\n\n");
        for (goal, met) in &self.goals {
            writeln!(page, "- {} {goal}", if *met { "met:" } else { "**missed:**" })
                .expect("a string");
        }
        let (met, all) = self.met();
        writeln!(page, "\ngoals met: {met} of {all}\n").expect("a string");
        page
    }
}
