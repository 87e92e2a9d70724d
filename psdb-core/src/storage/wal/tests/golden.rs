//! Golden scripts: what recovery does with a log, step by step, to be read by people.
//!
//! A script in `testscripts/` holds commands, a line `---`, and what they answer. Set the variable
//! `PSDB_BLESS` to write the answers of the present code into the scripts; then read the diff.
//!
//! ```text
//! append STREAM INDEX TEXT    slot STREAM SLOT TEXT      purge STREAM THROUGH NOTE
//! truncate STREAM FROM        forget STREAM              each is one batch, answered when durable;
//!                             TEXT may be `x*250`, an x 250 times
//! segments                    names of the files, their bytes that are used, and their sizes
//! close | crash               seals the log | drops it as it is
//! cut BYTES                   takes bytes off the end of what the newest segment holds
//! flip SEGMENT OFFSET         inverts a byte; a negative offset counts from the end
//! remove SEGMENT              removes a segment
//! open                        opens the log and shows what it holds
//! ```

use std::fmt::Write as _;

use super::*;
use crate::env::RealDisk;

/// The log that a script works on.
struct Script {
    disk: SimDisk,
    wal: Option<Wal>,
    output: String,
}

impl Script {
    async fn run(commands: &str) -> String {
        let disk = SimDisk::new();
        let wal = Some(open(&disk, SMALL).await.unwrap().0);
        let mut script = Script { disk, wal, output: String::new() };
        for line in commands.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            script.command(line).await;
        }
        script.output
    }

    async fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        match words[0] {
            "segments" => self.show_segments(),
            "open" => self.open().await,
            "close" => self.wal.take().unwrap().close().await.unwrap(),
            "crash" => self.wal = None,
            "cut" => {
                let newest = self.segments().pop().unwrap();
                let used = used_bytes(&self.disk, newest);
                self.file(newest).set_len(used - number(1)).unwrap();
            }
            "flip" => self.flip(number(1), words[2].parse().unwrap()),
            "remove" => self.disk.remove(&dir().join(file_name(number(1)))).unwrap(),
            _ => {
                let text = &written_out(words.get(3).copied().unwrap_or_default());
                let stream = number(1);
                let record = match words[0] {
                    "append" => append(stream, number(2), text),
                    "slot" => slot(stream, number(2) as u8, text),
                    "purge" => purge(stream, number(2), text),
                    "truncate" => Record::Truncate { stream, from: number(2) },
                    "forget" => Record::Forget { stream },
                    unknown => panic!("unknown command {unknown}"),
                };
                let wal = self.wal.as_ref().unwrap();
                if let Err(error) = wal.write(vec![record]).await {
                    writeln!(self.output, "{line}: {error}").unwrap();
                }
                // The removal of segments comes before the next answer.
                wal.write(Vec::new()).await.unwrap();
            }
        }
    }

    fn segments(&self) -> Vec<u64> {
        let names = self.disk.list(dir()).unwrap();
        names.iter().filter_map(|name| number_of(name)).collect()
    }

    fn file(&self, segment: u64) -> std::sync::Arc<dyn crate::env::File> {
        self.disk.open(&dir().join(file_name(segment)), OpenMode::Write).unwrap()
    }

    fn flip(&self, segment: u64, offset: i64) {
        let file = self.file(segment);
        let used = used_bytes(&self.disk, segment);
        let at = if offset < 0 { used - offset.unsigned_abs() } else { offset as u64 };
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_at(&[!byte[0]], at).unwrap();
    }

    fn show_segments(&mut self) {
        for segment in self.segments() {
            let (used, bytes) =
                (used_bytes(&self.disk, segment), self.file(segment).len().unwrap());
            writeln!(self.output, "{} {used} of {bytes} bytes", file_name(segment)).unwrap();
        }
    }

    async fn open(&mut self) {
        let (wal, streams) = match open(&self.disk, SMALL).await {
            Ok(opened) => opened,
            Err(error) => return writeln!(self.output, "open: {error}").unwrap(),
        };
        let stats = wal.stats();
        let (segments, torn) = (stats.segments, stats.torn_bytes);
        writeln!(self.output, "open: segments={segments} torn_bytes={torn}").unwrap();
        for (stream, RecoveredStream { floor, entries, slots }) in streams {
            write!(self.output, "  stream {stream}:").unwrap();
            if let Some((index, note)) = floor {
                write!(self.output, " floor {index}={note:?}").unwrap();
            }
            for (index, payload) in entries {
                write!(self.output, " {index}={}", shortened(&payload)).unwrap();
            }
            for (slot, payload) in slots {
                write!(self.output, " slot {slot}={}", shortened(&payload)).unwrap();
            }
            self.output.push('\n');
        }
        self.wal = Some(wal);
    }
}

fn written_out(text: &str) -> String {
    match text.split_once('*') {
        Some((letter, times)) => letter.repeat(times.parse().unwrap()),
        None => text.to_owned(),
    }
}

fn shortened(payload: &Bytes) -> String {
    match payload.len() {
        0..12 => format!("{payload:?}"),
        length => format!("{:?}...({length} bytes)", payload.slice(..4)),
    }
}

#[test]
fn golden_scripts() {
    let disk = RealDisk::new();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/wal/testscripts");
    let names = disk.list(&scripts).unwrap();
    assert!(!names.is_empty());
    for name in names {
        let path = scripts.join(&name);
        let mut text = vec![0; disk.open(&path, OpenMode::Read).unwrap().len().unwrap() as usize];
        disk.open(&path, OpenMode::Read).unwrap().read_exact_at(&mut text, 0).unwrap();
        let text = String::from_utf8(text).unwrap();
        let (commands, expected) = text.split_once("---\n").expect("a line --- in the script");
        let answered = run(Script::run(commands));
        if std::env::var_os("PSDB_BLESS").is_some() {
            let blessed = format!("{commands}---\n{answered}");
            let file = disk.open(&path, OpenMode::Create).unwrap();
            file.write_at(blessed.as_bytes(), 0).unwrap();
        } else {
            assert_eq!(answered, expected, "{name}");
        }
    }
}
