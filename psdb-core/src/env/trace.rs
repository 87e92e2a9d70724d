//! The trace of a simulation: what happened, in order, each line with its virtual time.
//!
//! Two runs of one seed must give one trace, byte for byte, so a line may hold nothing that
//! differs between processes (addresses, thread ids, real time).
//!
//! Left out: logs for operators, which go through `tracing`.

use parking_lot::Mutex;

use super::Instant;

/// The most lines kept. What comes after is counted, not kept.
const MAX_LINES: usize = 1 << 20;

/// A recorder of lines, or nothing.
pub(crate) struct Trace(Option<Recorder>);

struct Recorder {
    started: Instant,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    kept: Vec<String>,
    dropped: u64,
}

impl Trace {
    /// Records nothing and costs nothing.
    pub(crate) fn off() -> Trace {
        Trace(None)
    }

    /// Records, with times counted from now.
    pub(crate) fn on() -> Trace {
        Trace(Some(Recorder { started: Instant::now(), lines: Mutex::default() }))
    }

    /// Records one line as `seconds.microseconds text`.
    pub(crate) fn record(&self, line: impl FnOnce() -> String) {
        let Some(recorder) = &self.0 else { return };
        let elapsed = Instant::now().elapsed_since(recorder.started);
        let line = format!("{}.{:06} {}", elapsed.as_secs(), elapsed.subsec_micros(), line());
        let mut lines = recorder.lines.lock();
        if lines.kept.len() < MAX_LINES {
            lines.kept.push(line);
        } else {
            lines.dropped += 1;
        }
    }

    /// Takes what was recorded; a last line says how many lines did not fit, if any.
    pub(crate) fn take(&self) -> Vec<String> {
        let Some(recorder) = &self.0 else { return Vec::new() };
        let Lines { mut kept, dropped } = std::mem::take(&mut *recorder.lines.lock());
        if dropped > 0 {
            kept.push(format!("{dropped} more lines did not fit"));
        }
        kept
    }
}
