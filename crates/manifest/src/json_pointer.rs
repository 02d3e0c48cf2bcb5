//! Paths of values as JSON pointers (RFC 6901).

/// The JSON pointer of a path, for messages and `serde_json::Value::pointer`. Empty for an empty path, which is that of the
/// whole document.
pub(crate) fn json_pointer(path: &[String]) -> String {
    path.iter().flat_map(|token| ["/".to_owned(), token.replace('~', "~0").replace('/', "~1")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_escaped_and_the_whole_document_has_the_empty_pointer() {
        let path = ["spec", "a/b", "~c", "0", ""].map(str::to_owned);
        assert_eq!(json_pointer(&path), "/spec/a~1b/~0c/0/");
        assert_eq!(json_pointer(&[]), "");
    }
}
