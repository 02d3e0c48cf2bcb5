//! Real files, pipes and devices.
#![allow(clippy::unwrap_used)]

use std::{fs, io::Write as _, path::Path, process::Command, thread};

use gomemlimit_files::{FileError, Kinds, read};

fn said(path: &Path, kinds: Kinds, max: u64) -> String {
    read(path, kinds, max).unwrap_err().to_string()
}

#[test]
fn no_more_than_the_bound_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for kinds in [Kinds::Regular, Kinds::Any] {
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, kinds, 5).unwrap(), b"12345");
        assert_eq!(said(&path, kinds, 4), "it is larger than 4 bytes");
        // A sparse file of 1 TiB.
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(said(&path, kinds, 1 << 20), "it is larger than 1 MiB");
        assert!(read(&folder.path().join("none"), kinds, 1).unwrap_err().is_not_found());
        assert_eq!(said(folder.path(), kinds, 1), "Is a directory (os error 21)");
    }
    assert_eq!(said(Path::new("/dev/zero"), Kinds::Any, 2 << 20), "it is larger than 2 MiB");
    assert!(matches!(read(Path::new("/dev/zero"), Kinds::Regular, 1), Err(FileError::NotRegular)));
}

/// With a deadline by the fact that the test ends: without `O_NONBLOCK` it does not.
#[test]
fn a_pipe_is_read_by_commands_and_keeps_no_server_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert_eq!(said(&path, Kinds::Regular, 1), "it is not a regular file");
    for (max, read_of) in [(5, Ok("12345")), (4, Err("it is larger than 4 bytes"))] {
        let of_thread = path.clone();
        let writer = thread::spawn(move || {
            // Whoever reads may leave early.
            let _ = fs::OpenOptions::new().write(true).open(of_thread).unwrap().write_all(b"12345");
        });
        let content = read(&path, Kinds::Any, max).map_err(|error| error.to_string());
        writer.join().unwrap();
        assert_eq!(content, read_of.map(|text| text.as_bytes().to_vec()).map_err(str::to_owned));
    }
}
