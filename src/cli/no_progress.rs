//! In place of the bars: the image has no terminal to draw them on, and no room for what draws.

/// Nothing.
pub(super) struct Bar;

pub(super) fn bar(_what: &str) -> Bar {
    Bar
}

pub(super) fn spinner(_what: &str) -> Bar {
    Bar
}

#[expect(clippy::unused_self, reason = "methods of a bar")]
impl Bar {
    pub(super) fn set_length(&self, _length: u64) {}

    pub(super) fn set_position(&self, _position: u64) {}
}

pub(super) async fn shown<T>(_bar: &Bar, work: impl Future<Output = T>) -> T {
    work.await
}

/// Nothing.
pub(super) struct LateBar;

#[expect(clippy::unused_self, reason = "methods of a bar")]
impl LateBar {
    pub(super) fn new(_what: &str, _length: usize) -> Self {
        Self
    }

    pub(super) fn around<T>(&mut self, step: impl FnOnce() -> T) -> T {
        step()
    }

    pub(super) fn finish(self) {}
}
