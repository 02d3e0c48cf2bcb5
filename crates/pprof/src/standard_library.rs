//! The packages of Go's standard library.

/// Whether a function is of Go's standard library: by the first part of its import path, since a module
/// may be called anything else, with or without a dot.
pub(crate) fn is_standard(function: &str) -> bool {
    const ROOTS: [&str; 47] = [
        "archive",
        "bufio",
        "bytes",
        "cmp",
        "compress",
        "container",
        "context",
        "crypto",
        "database",
        "debug",
        "embed",
        "encoding",
        "errors",
        "expvar",
        "flag",
        "fmt",
        "go",
        "hash",
        "html",
        "image",
        "index",
        "internal",
        "io",
        "iter",
        "log",
        "maps",
        "math",
        "mime",
        "net",
        "os",
        "path",
        "plugin",
        "reflect",
        "regexp",
        "runtime",
        "slices",
        "sort",
        "strconv",
        "strings",
        "sync",
        "syscall",
        "testing",
        "text",
        "time",
        "unicode",
        "unique",
        "weak",
    ];
    let root = function.split(['/', '.']).next().unwrap_or_default();
    ROOTS.contains(&root) && function.split_once('/').is_none_or(|(first, _)| !first.contains('.'))
        || function.starts_with("vendor/")
}
