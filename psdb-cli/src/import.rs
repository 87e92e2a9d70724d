//! Reading an import: documents in, batches out.
//!
//! A thread of its own reads ahead, so that a slow pipe never keeps Ctrl-C waiting and the next
//! batch is ready when the database has taken the last. A batch ends at a number of documents or
//! of bytes, whichever comes first; the reader holds at most three of them.
//!
//! ```text
//! file or pipe -> thread: records -> batches -> channel of 1 -> the command, one batch at a time
//! ```
//!
//! Left out: inserting (`run::transfer`); the forms of files (`records`).

use std::io::{self, BufRead};

use psdb::Error;
use tokio::sync::mpsc;

use crate::records::{Form, Records};

/// A batch ends after so many documents.
const BATCH_DOCUMENTS: usize = 1_000;
/// A batch ends after so many bytes of JSON.
const BATCH_BYTES: usize = 4 << 20;

/// Some documents of an import.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The line at which each begins.
    pub(crate) numbers: Vec<u64>,
    /// Their texts, in the same order.
    pub(crate) lines: Vec<Vec<u8>>,
    /// What cannot even be offered to the database, by line.
    pub(crate) refused: Vec<(u64, Error)>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.refused.is_empty()
    }
}

/// Starts reading `source` in the background; the channel closes at its end.
pub(crate) fn batches(
    source: Box<dyn BufRead + Send>,
    form: Form,
) -> mpsc::Receiver<io::Result<Batch>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut records = match Records::new(form, source) {
            Ok(records) => records,
            Err(error) => {
                // Nobody listens any more only if the command has ended, and then nobody minds.
                let _ = sender.blocking_send(Err(error));
                return;
            }
        };
        loop {
            let batch = next_batch(&mut records, BATCH_DOCUMENTS, BATCH_BYTES);
            let last = !matches!(batch, Ok(Some(_)));
            let Some(batch) = batch.transpose() else { return };
            // The command ended early, for instance after Ctrl-C: nobody wants the rest.
            if sender.blocking_send(batch).is_err() || last {
                return;
            }
        }
    });
    receiver
}

/// Reads the next batch; `None` at the end.
fn next_batch<R: BufRead>(
    records: &mut Records<R>,
    max_documents: usize,
    max_bytes: usize,
) -> io::Result<Option<Batch>> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    while batch.lines.len() + batch.refused.len() < max_documents && bytes < max_bytes {
        let Some(record) = records.next_record()? else { break };
        match record.document {
            Ok(text) => {
                bytes += text.len();
                batch.numbers.push(record.line);
                batch.lines.push(text);
            }
            Err(error) => batch.refused.push((record.line, error)),
        }
    }
    Ok((!batch.is_empty()).then_some(batch))
}

#[cfg(test)]
mod tests {
    //! Proves that batches keep every line with its number, in order, and stay within their bounds.

    use super::{batches, next_batch};
    use crate::records::{Form, Records};

    #[test]
    fn batches_end_at_their_bounds() {
        let text: &[u8] = b"1\n\n2\n  \n3\n4444444444\n5\n";
        let mut lines = Records::new(Form::Ndjson, text).expect("no I/O error");
        let mut read = Vec::new();
        while let Some(batch) = next_batch(&mut lines, 2, 8).expect("no I/O error") {
            read.push(batch.numbers);
        }
        assert_eq!(read, [vec![1, 3], vec![5, 6], vec![7]]);
    }

    #[test]
    fn the_channel_delivers_all_lines_and_closes() {
        let lines: Vec<String> = (1..=2_500).map(|n| format!("{{\"n\": {n}}}")).collect();
        let mut receiver = batches(Box::new(std::io::Cursor::new(lines.join("\n"))), Form::Ndjson);
        let mut sizes = Vec::new();
        let mut next = 1;
        while let Some(batch) = receiver.blocking_recv() {
            let batch = batch.expect("no I/O error");
            for (number, line) in batch.numbers.iter().zip(&batch.lines) {
                assert_eq!(
                    (*number, line.as_slice()),
                    (next, format!("{{\"n\": {next}}}").as_bytes())
                );
                next += 1;
            }
            sizes.push(batch.lines.len());
        }
        assert_eq!(sizes, [1_000, 1_000, 500]);
    }

    #[test]
    fn a_read_error_is_delivered() {
        struct Broken;
        impl std::io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("broken"))
            }
        }
        for form in [Form::Ndjson, Form::JsonArray, Form::Csv] {
            let mut receiver = batches(Box::new(std::io::BufReader::new(Broken)), form);
            assert!(receiver.blocking_recv().expect("one message").is_err());
            assert!(receiver.blocking_recv().is_none());
        }
    }
}
