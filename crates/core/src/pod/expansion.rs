//! `$(NAME)` in the value of a variable, as kubelet expands it: `Expand` of
//! `k8s.io/kubernetes/third_party/forked/golang/expansion`.

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Stays as it is; `$$` is the text `$`.
    Text(&'t str),
    /// `$(NAME)`. It stays as it is if no variable of that name is defined before.
    Reference(&'t str),
}

/// The parts of `text`, in order.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, left) = next(rest)?;
        rest = left;
        Some(piece)
    })
}

fn next(text: &str) -> Option<(Piece<'_>, &str)> {
    let Some(after) = text.strip_prefix('$') else {
        let end = text.find('$').unwrap_or(text.len());
        let (before, rest) = text.split_at_checked(end).filter(|(before, _)| !before.is_empty())?;
        return Some((Piece::Text(before), rest));
    };
    if let Some(rest) = after.strip_prefix('$') {
        return Some((Piece::Text("$"), rest));
    }
    match after.strip_prefix('(').and_then(|name| name.split_once(')')) {
        Some((name, rest)) => Some((Piece::Reference(name), rest)),
        None => Some((Piece::Text("$"), after)),
    }
}

/// Whether `text` refers to the variable `name`.
pub(crate) fn refers_to(text: &str, name: &str) -> bool {
    pieces(text).any(|piece| piece == Piece::Reference(name))
}

/// Whether the cluster may define the variable `name`: kubelet adds variables of that form for Services, which the pod
/// does not name (`k8s.io/kubernetes/pkg/kubelet/envvars`). With `enableServiceLinks: false` it adds fewer.
pub(crate) fn may_be_of_a_service(name: &str) -> bool {
    name.contains("_SERVICE_HOST") || name.contains("_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `expand_test.go`.
    #[test]
    fn expands_as_kubelet_does() {
        let expand = |text: &str| {
            let mut expanded = String::new();
            for piece in pieces(text) {
                match piece {
                    Piece::Text(text) => expanded.push_str(text),
                    Piece::Reference("VAR_A") => expanded.push('A'),
                    Piece::Reference("VAR_B") => expanded.push('B'),
                    Piece::Reference("VAR_EMPTY") => {}
                    Piece::Reference("VAR_REF") => expanded.push_str("$(VAR_A)"),
                    Piece::Reference(name) => expanded += &["$(", name, ")"].concat(),
                }
            }
            expanded
        };
        for (text, expanded) in [
            ("$(VAR_A)", "A"),
            ("___$(VAR_B)___", "___B___"),
            ("$(VAR_A)-1", "A-1"),
            ("$(VAR_REF)", "$(VAR_A)"),
            ("$$(VAR_B)_$(VAR_A)", "$(VAR_B)_A"),
            ("foo$$(VAR_A)", "foo$(VAR_A)"),
            ("foo$$$(VAR_B)", "foo$B"),
            ("$$$$$$(VAR_A)", "$$$(VAR_A)"),
            ("$$$$$$$(VAR_A)$(VAR_B)", "$$$AB"),
            ("$(VAR_EMPTY)", ""),
            ("f000-$$VAR_A", "f000-$VAR_A"),
            ("foo\\$(VAR_C)bar", "foo\\$(VAR_C)bar"),
            ("foo\\\\$(VAR_C)bar", "foo\\\\$(VAR_C)bar"),
            ("foo$(VAR_Awhoops!", "foo$(VAR_Awhoops!"),
            ("f00__(VAR_A)__", "f00__(VAR_A)__"),
            ("$?_boo_$!", "$?_boo_$!"),
            ("$VAR_A", "$VAR_A"),
            ("$VAR_A_$(VAR_B)", "$VAR_A_B"),
            ("$(VAR_C)", "$(VAR_C)"),
            ("$()", "$()"),
            ("$$", "$"),
            ("$", "$"),
            ("a$é", "a$é"),
            ("", ""),
        ] {
            assert_eq!(expand(text), expanded, "{text}");
        }
        assert!(refers_to("-m $(X)", "X") && !refers_to("$$(X)", "X") && refers_to("$$$(X)", "X"));
    }
}
