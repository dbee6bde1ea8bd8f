//! Sets the linker flags a Node addon needs, and only when one is built.

fn main() {
    if std::env::var_os("CARGO_FEATURE_NODE").is_some() {
        napi_build::setup();
    }
}
