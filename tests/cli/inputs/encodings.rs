//! Manifests in other encodings than UTF-8, and files that are no text.

use std::fs;

use super::{
    super::manifests::{DEPLOYMENT, write},
    deployments, names, run_in,
};

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
}

/// As PowerShell's `>` writes files, and as kubectl reads them: they come back in the same encoding.
#[test]
fn utf16_is_read_and_written_back() {
    let text = DEPLOYMENT.replace("# the Go one", "# größer 🙂").replace('\n', "\r\n");
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "plain.yaml", &text);
    let expected = run_in(folder.path(), &["inject", "-f", "plain.yaml"], &[]);
    assert!(
        expected.stdout.contains("966367641") && expected.stdout.contains("🙂\r\n"),
        "{}",
        expected.stderr
    );
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let path = folder.path().join("a.yaml");
        fs::write(&path, utf16(&text, bytes)).unwrap();
        let output = run_in(folder.path(), &["inject", "-f", "a.yaml"], &[]);
        assert_eq!((output.code, &output.stdout), (0, &expected.stdout), "{}", output.stderr);
        let diff = run_in(folder.path(), &["inject", "--diff", "-f", "a.yaml"], &[]);
        assert!(
            diff.stderr.contains("warning: a.yaml: it is UTF-16, and the diff is UTF-8: "),
            "{}",
            diff.stderr
        );
        for _ in 0..2 {
            let output = run_in(folder.path(), &["inject", "--in-place", "-f", "a.yaml"], &[]);
            assert_eq!(output.code, 0, "{}", output.stderr);
            assert_eq!(fs::read(&path).unwrap(), utf16(&expected.stdout, bytes));
        }
    }
}

#[test]
fn a_byte_order_mark_stays() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", &format!("\u{feff}{DEPLOYMENT}"));
    let output = run_in(folder.path(), &["inject", "--in-place", "-f", "a.yaml"], &[]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let after = fs::read_to_string(folder.path().join("a.yaml")).unwrap();
    assert!(after.starts_with("\u{feff}# The") && after.contains("966367641"), "{after}");
}

/// Of a named file everything is an error; of a directory only what kubectl might apply.
#[test]
fn what_is_no_text_is_named_with_its_byte_and_the_way_out() {
    let bare = utf16("kind: Pod\napiVersion: v1\n", u16::to_le_bytes)[2..].to_vec();
    for (name, bytes, expected, is_manifest) in [
        (
            "it's.yaml",
            b"apiVersion: v1\nkind: Pod\n# gr\xf6\xdfer\n".to_vec(),
            "it is not UTF-8: byte 30, in line 3, is 0xF6; convert it: iconv -f WINDOWS-1252 -t UTF-8 \"it's.yaml\"",
            true,
        ),
        (
            "b.yaml",
            bare,
            "it is UTF-16 without a byte order mark; convert it: iconv -f UTF-16LE -t UTF-8 b.yaml",
            true,
        ),
        ("c.json", b"PK\x03\x04\0\0".to_vec(), "it is a binary file: byte 5, in line 1, is 0x00", false),
        (
            "d.yml",
            b"key: caf\xe9\n".to_vec(),
            "it is not UTF-8: byte 9, in line 1, is 0xE9; convert it: iconv -f WINDOWS-1252 -t UTF-8 d.yml",
            false,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let expected = format!("cannot read {name}: {expected}");
        run_in(folder.path(), &["inject", "-f", name], &[]).is_refused(&expected);

        deployments(folder.path(), &["good.yaml"]);
        let output = run_in(folder.path(), &["explain", "-f", "."], &[]);
        let in_directory =
            expected.replace("read ", "read ./").replace(&format!(" {name}"), &format!(" ./{name}"));
        let in_directory = in_directory.replace("\"it's", "\"./it's").replace("././", "./");
        let label = if is_manifest { "error" } else { "note" };
        assert!(output.stderr.starts_with(&format!("{label}: {in_directory}\n")), "{}", output.stderr);
        assert_eq!(output.code, if is_manifest { 2 } else { 0 }, "{}", output.stderr);
        if !is_manifest {
            assert_eq!(names(&output), ["good-yaml"]);
        }
    }
}
