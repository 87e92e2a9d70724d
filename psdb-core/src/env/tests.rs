//! Proves that real and simulated disks keep one contract, that faults come where they were
//! planned, that a seed repeats itself, and that tasks end with their owner.

use super::*;
use std::io;
use std::path::Path;

/// What any disk must do; `root` is an absolute path that does not exist yet.
fn check_disk(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    let (a, b) = (root.join("a"), root.join("b"));
    assert_eq!(disk.list(root).unwrap_err().kind(), io::ErrorKind::NotFound);
    disk.create_dir_all(root)?;
    disk.create_dir_all(root)?;
    assert_eq!(disk.open(&a, OpenMode::Read).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(disk.open(&a, OpenMode::Write).unwrap_err().kind(), io::ErrorKind::NotFound);

    let file = disk.open(&a, OpenMode::Create)?;
    file.write_at(b"world", 6)?;
    file.write_at(b"hello ", 0)?;
    file.sync()?;
    disk.sync_dir(root)?;
    let mut buffer = [0; 20];
    assert_eq!(file.read_at(&mut buffer, 0)?, 11);
    assert_eq!(&buffer[..11], b"hello world");
    assert_eq!(file.read_at(&mut buffer, 11)?, 0);
    assert_eq!(file.read_at(&mut buffer, 100)?, 0);
    let eof = file.read_exact_at(&mut buffer, 0).unwrap_err();
    assert_eq!(eof.kind(), io::ErrorKind::UnexpectedEof);
    file.set_len(5)?;
    assert_eq!(file.len()?, 5);
    file.set_len(6)?;
    file.read_exact_at(&mut buffer[..6], 0)?;
    assert_eq!(&buffer[..6], b"hello\0");

    disk.rename(&a, &b)?;
    assert!(disk.exists(&b) && !disk.exists(&a));
    disk.create_dir_all(&root.join("sub"))?;
    assert_eq!(disk.list(root)?, ["b", "sub"]);
    assert_eq!(disk.open(&b, OpenMode::Create)?.len()?, 0);
    disk.remove(&b)?;
    assert_eq!(disk.remove(&b).unwrap_err().kind(), io::ErrorKind::NotFound);

    let lock = disk.lock(&root.join("lock"))?;
    let held = disk.lock(&root.join("lock")).err().map(|error| error.kind());
    assert_eq!(held, Some(io::ErrorKind::WouldBlock));
    drop(lock);
    drop(disk.lock(&root.join("lock"))?);
    assert_eq!((disk.stats().writes, disk.stats().bytes_written), (2, 11));
    assert!(disk.stats().syncs >= 2);
    Ok(())
}

#[test]
fn real_and_simulated_disks_keep_one_contract() {
    let directory = tempfile::tempdir().unwrap();
    check_disk(&RealDisk::new(), &directory.path().join("x/y")).unwrap();
    check_disk(&SimDisk::new(), Path::new("/x/y")).unwrap();
    check_disk(&SimDisk::volatile(), Path::new("/x/y")).unwrap();
}

#[test]
fn a_name_is_durable_only_after_its_directory_was_synced() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..50 {
        let disk = SimDisk::new();
        disk.open(Path::new("/old"), OpenMode::Create).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.rename(Path::new("/old"), Path::new("/new")).unwrap();
        disk.power_loss(seed);
        match disk.list(Path::new("/")).unwrap()[..] {
            [ref name] if name == "old" => lost += 1,
            [ref name] if name == "new" => kept += 1,
            ref names => panic!("{names:?}"),
        }
    }
    assert!(lost > 5 && kept > 5, "{lost} lost, {kept} kept");
}

#[test]
fn the_planned_sync_loses_power_and_the_disk_stays_off() {
    let disk = SimDisk::with_seed(3);
    let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.fail_at_sync(2);
    file.write_at(b"one", 0).unwrap();
    file.sync().unwrap();
    file.write_at(b"two", 3).unwrap();
    file.sync().unwrap_err();
    assert!(disk.is_off());
    disk.open(Path::new("/f"), OpenMode::Read).unwrap_err();
    disk.power_on();
    file.len().unwrap_err();
    let again = disk.open(Path::new("/f"), OpenMode::Read).unwrap();
    let mut bytes = [0; 3];
    again.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"one");
}

#[test]
fn errors_come_at_the_planned_operation_of_their_kind() {
    let disk = SimDisk::new();
    let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
    disk.fail_at(2, Fault::NoSpace);
    disk.fail_at(1, Fault::SyncError);
    file.write_at(b"x", 0).unwrap();
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(file.write_at(b"x", 1).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.write_at(b"x", 1).unwrap();
    disk.fail_at(1, Fault::IoError);
    disk.remove(Path::new("/f")).unwrap_err();
    disk.remove(Path::new("/f")).unwrap();
}

/// Some of everything that a simulation draws or reads.
async fn drawn(seed: u64) -> Vec<String> {
    let env = Env::simulated(seed, SimDisk::new());
    env.sleep(Duration::from_millis(1_500)).await;
    env.trace(|| format!("{} {}", env.now(), env.document_id()));
    let timed_out = env.timeout(Duration::from_secs(1), std::future::pending::<()>()).await;
    assert!(timed_out.is_err());
    let random = (env.random_u64(), env.random_below(10), env.random_unit());
    env.trace(|| format!("{random:?} {}", env.blocking_is_inline()));
    env.take_trace()
}

impl Env {
    fn blocking_is_inline(&self) -> bool {
        self.shared.blocks_inline
    }
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_run() {
    let first = drawn(1).await;
    assert!(first[0].starts_with("1.500000 2026-01-01T00:00:01.500Z"), "{first:?}");
    assert!(first[1].starts_with("2.5"), "{first:?}");
    assert_eq!(first, drawn(1).await);
    assert_ne!(first, drawn(2).await);
    let real = Env::memory();
    real.trace(|| unreachable!("tracing is off"));
    assert!(real.take_trace().is_empty());
}

#[tokio::test]
async fn a_task_ends_with_its_owner_unless_detached() {
    let env = Env::real();
    let (ended, mut on_end) = tokio::sync::mpsc::unbounded_channel::<()>();
    let owned = env.spawn(async move {
        let _ended = ended;
        std::future::pending::<()>().await;
    });
    drop(owned);
    assert_eq!(on_end.recv().await, None, "the task must be dropped");

    let (done, on_done) = tokio::sync::oneshot::channel();
    env.spawn(async move { done.send(7) }).detach();
    assert_eq!(on_done.await, Ok(7));
    assert_eq!(env.spawn(async { 8 }).await.unwrap(), 8);
    assert!(env.spawn(async { panic!("on purpose") }).await.unwrap_err().is_panic());
    let thread = std::thread::current().id();
    assert_ne!(env.blocking(|| std::thread::current().id()).await, thread);
    assert_eq!(Env::memory().blocking(|| std::thread::current().id()).await, thread);
}
