//! Which file of a crate imports which: the `use` declarations and paths of Rust sources, resolved to files.
//!
//! A path is resolved through re-exports to the file that has the item. `mod x;` and `pub use self::x::Y` are no imports.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The segments of a path; the first may be `crate`, `self`, `super` or the name of another crate.
pub(crate) type Path = Vec<String>;

/// What one file imports.
#[derive(Debug, Default)]
struct File {
    /// Each name that a `use` brings in, with its path, and whether other files may see it.
    names: Vec<(String, Path, bool)>,
    /// `use path::*`.
    globs: Vec<Path>,
    /// Every path in its code.
    paths: BTreeSet<Path>,
    /// Every identifier in its code.
    words: BTreeSet<String>,
}

/// Every path of a file outside of tests: of `use` declarations, and of its code, in the order of the alphabet.
pub(crate) fn paths(name: &str, source: &str) -> BTreeSet<Path> {
    let file = File::parse(name, source);
    file.names.into_iter().map(|(_, path, _)| path).chain(file.globs).chain(file.paths).collect()
}

impl File {
    fn parse(name: &str, source: &str) -> Self {
        let tokens = TokenStream::from_str(source).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut file = Self::default();
        file.read(&tokens.into_iter().collect::<Vec<_>>(), &[]);
        file
    }

    /// Reads the tokens of a module; `inside` are the names of the modules of the file around it.
    fn read(&mut self, tokens: &[TokenTree], inside: &[String]) {
        let mut rest = tokens;
        let mut is_public = false;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some((TokenTree::Group(attribute), after)) = after.split_first() {
                        let is_test = attribute.stream().to_string().replace(' ', "") == "cfg(test)";
                        self.read(&contents(attribute), inside);
                        rest = if is_test { after_item(after) } else { after };
                    }
                    continue;
                }
                TokenTree::Ident(word) if word == "pub" => {
                    is_public = true;
                    if let Some((TokenTree::Group(_), after)) = after.split_first() {
                        rest = after;
                    }
                    continue;
                }
                TokenTree::Ident(word) if word == "use" => {
                    let end = after.iter().position(is_semicolon).unwrap_or(after.len());
                    self.read_use(&after[..end], &[], is_public, inside);
                    rest = &after[end..];
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let [TokenTree::Ident(name), TokenTree::Group(body), ..] = after {
                        let inside = [inside, &[name.to_string()]].concat();
                        self.read(&contents(body), &inside);
                        rest = &after[2..];
                    }
                }
                TokenTree::Ident(_) => rest = self.read_path(first, after, inside),
                // The name after it is a method.
                TokenTree::Punct(punct) if punct.as_char() == '.' => {
                    if let Some((TokenTree::Ident(_), after)) = after.split_first() {
                        rest = after;
                    }
                }
                TokenTree::Group(group) => self.read(&contents(group), inside),
                _ => {}
            }
            is_public = false;
        }
    }

    /// Reads a path in code, and returns what follows it.
    fn read_path<'t>(
        &mut self,
        first: &TokenTree,
        after: &'t [TokenTree],
        inside: &[String],
    ) -> &'t [TokenTree] {
        let mut path = vec![first.to_string()];
        let mut rest = after;
        while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(name), after @ ..] = rest {
            if a.as_char() != ':' || b.as_char() != ':' {
                break;
            }
            path.push(name.to_string());
            rest = after;
        }
        self.words.insert(path[0].clone());
        if path.len() > 1 {
            self.paths.extend(outside(path, inside));
        }
        rest
    }

    fn read_use(&mut self, tree: &[TokenTree], before: &[String], is_public: bool, inside: &[String]) {
        let mut path = before.to_vec();
        let mut alias = None;
        let mut rest = tree;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                TokenTree::Ident(word) if word == "as" => {
                    alias = after.first().map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    self.globs.extend(outside(path, inside));
                    return;
                }
                TokenTree::Group(group) => {
                    for branch in contents(group).split(|token| token.to_string() == ",") {
                        if !branch.is_empty() {
                            self.read_use(branch, &path, is_public, inside);
                        }
                    }
                    return;
                }
                _ => {}
            }
        }
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let (Some(last), Some(path)) = (path.last().cloned(), outside(path, inside)) {
            self.names.push((alias.unwrap_or(last), path, is_public));
        }
    }
}

/// A path of a module inside of a file as a path of the file; `None` if it does not leave the module.
fn outside(mut path: Path, inside: &[String]) -> Option<Path> {
    let mut left = inside.len();
    while left > 0 && path.first().is_some_and(|first| first == "super") {
        path.remove(0);
        left -= 1;
    }
    match path.first()?.as_str() {
        "self" if left > 0 => None,
        _ if left < inside.len() && left > 0 => None,
        "super" | "crate" | "self" => Some(path),
        _ if left < inside.len() => Some([vec!["self".to_owned()], path].concat()),
        _ => Some(path),
    }
}

fn contents(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

fn is_semicolon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';')
}

/// What follows the item that begins here.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_semicolon(token),
    };
    let end = tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1);
    &tokens[end..]
}

/// The files of a crate by their module, `[]` being lib.rs, main.rs.
#[derive(Debug)]
pub(crate) struct Crate {
    files: BTreeMap<Path, (String, File)>,
}

impl Crate {
    /// A crate of these files: their paths below the crate's folder of sources, and their texts.
    pub(crate) fn parse<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let files = files.into_iter().map(|(name, text)| {
            let mut module: Path = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
                module.pop();
            }
            (module, (name.to_owned(), File::parse(name, text)))
        });
        Self { files: files.collect() }
    }

    /// The files that a file imports.
    fn imports<'c>(&'c self, module: &'c Path) -> BTreeSet<&'c Path> {
        let (_, file) = &self.files[module];
        let names = file.names.iter().filter(|(name, _, is_public)| !is_public || file.words.contains(name));
        let paths = names.map(|(_, path, _)| path).chain(&file.paths);
        let items = paths.filter_map(|path| {
            let (found, item) = self.resolve(module, path, 0)?;
            // A module by itself is only the beginning of other paths.
            (!item.is_empty()).then_some(found)
        });
        let globs = file.globs.iter().filter_map(|path| Some(self.resolve(module, path, 0)?.0));
        items.chain(globs).filter(|found| *found != module).collect()
    }

    /// The file that has what a path in `module` names, and the path of the item in it; `None` if it is of another crate.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<(&Path, Path)> {
        // Re-exports that name each other.
        if depth > 16 {
            return None;
        }
        let mut base = module.to_vec();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            first => {
                let child = [module, &[first.to_owned()]].concat();
                let is_known = self.files.contains_key(&child)
                    || self
                        .files
                        .get(module)
                        .is_some_and(|(_, file)| file.names.iter().any(|(name, ..)| name == first));
                if !is_known {
                    return None;
                }
            }
        }
        while rest.first().is_some_and(|first| first == "super") {
            base.pop();
            rest = &rest[1..];
        }
        while let Some(first) = rest.first() {
            let child = [&base[..], std::slice::from_ref(first)].concat();
            if self.files.contains_key(&child) {
                base = child;
                rest = &rest[1..];
                continue;
            }
            let (_, file) = self.files.get(&base)?;
            if let Some((_, target, _)) = file.names.iter().find(|(name, ..)| name == first) {
                let target = [target, &rest[1..]].concat();
                return if target == path && base == module {
                    None
                } else {
                    self.resolve(&base, &target, depth + 1)
                };
            }
            break;
        }
        let (found, _) = self.files.get_key_value(&base)?;
        Some((found, rest.to_vec()))
    }

    /// Circles of imports, each as `a.rs → b.rs → a.rs`; none if there are none.
    pub(crate) fn circles(&self) -> Vec<String> {
        let (mut done, mut circles) = (BTreeSet::new(), Vec::new());
        for module in self.files.keys() {
            self.circles_from(module, &mut Vec::new(), &mut done, &mut circles);
        }
        circles
    }

    fn circles_from<'c>(
        &'c self,
        module: &'c Path,
        way: &mut Vec<&'c Path>,
        done: &mut BTreeSet<&'c Path>,
        circles: &mut Vec<String>,
    ) {
        if let Some(begin) = way.iter().position(|one| *one == module) {
            let circle = way[begin..].iter().copied().chain([module]);
            let names: Vec<_> = circle.map(|one| self.files[one].0.as_str()).collect();
            circles.push(names.join(" → "));
        } else if !done.contains(module) {
            way.push(module);
            for next in self.imports(module) {
                self.circles_from(next, way, done, circles);
            }
            way.pop();
            done.insert(module);
        }
    }
}
