//! The audit log in a folder of its own.

use std::thread::JoinHandle;

use super::*;

fn start(folder: &std::path::Path) -> (Audit, JoinHandle<()>) {
    let (audit, keeper) = Audit::new(folder);
    (audit, std::thread::spawn(move || keeper.run()))
}

fn actor(user: &str) -> Actor {
    Actor { user: user.to_owned(), address: Some([192, 0, 2, 1].into()), via: Via::Http }
}

/// Waits until all of it is written.
fn stop((audit, thread): (Audit, JoinHandle<()>)) {
    drop(audit);
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_come_back_newest_first_page_by_page_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, thread) = start(folder.path());
    for number in 1..=5 {
        audit.changed(&actor("anna"), format!("change {number}"), &Ok(Done::Updated));
    }
    let missing = CatalogError::UserNotFound { name: "otto".to_owned() };
    audit.changed(&actor("anna"), "delete user \"otto\"".to_owned(), &Err(missing));
    audit.login_refused(actor("eve"), "invalid credentials".to_owned());
    let page = audit.page(None, 3).await;
    let numbers: Vec<u64> = page.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [7, 6, 5]);
    assert_eq!((page[0].user.as_str(), page[0].what.as_str()), ("eve", "log in"));
    assert_eq!(page[1].reason.as_deref(), Some("user 'otto' not found"));
    assert_eq!((page[2].result, page[2].via), (AuditResult::Updated, Via::Http));
    stop((audit, thread));
    let (audit, thread) = start(folder.path());
    audit.changed(&actor("anna"), "change 8".to_owned(), &Ok(Done::Created));
    let page = audit.page(Some(7), 100).await;
    let numbers: Vec<u64> = page.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [6, 5, 4, 3, 2, 1]);
    assert_eq!(audit.page(None, 1).await[0].number, 8);
    stop((audit, thread));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_put_aside_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file::NAME);
    let mut file = AuditFile::open(&path).unwrap();
    let half = limits::AUDIT_FILE_BYTES as usize / 2 + 1;
    let entry = |number: u64| {
        let entry = AuditEntry {
            number,
            time: 0,
            user: "u".repeat(half),
            address: None,
            via: Via::Start,
            what: String::new(),
            result: AuditResult::Created,
            reason: None,
        };
        let mut line = serde_json::to_vec(&entry).unwrap();
        line.push(b'\n');
        line
    };
    for number in 1..=10 {
        file.append(&entry(number)).unwrap();
    }
    let numbers: Vec<u64> = file.read(u64::MAX, 100).iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [10, 9, 8, 7, 6]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_cut_off_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, thread) = start(folder.path());
    audit.changed(&actor("anna"), "one".to_owned(), &Ok(Done::Created));
    stop((audit, thread));
    let path = folder.path().join(file::NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(br#"{"number":2,"ti"#);
    std::fs::write(&path, bytes).unwrap();
    let (audit, thread) = start(folder.path());
    audit.changed(&actor("anna"), "two".to_owned(), &Ok(Done::Created));
    let page = audit.page(None, 10).await;
    let found: Vec<_> = page.iter().map(|entry| (entry.number, entry.what.as_str())).collect();
    assert_eq!(found, [(2, "two"), (1, "one")]);
    stop((audit, thread));
}
