//! Sets the linker flags a Node addon needs, and only when one is built.

fn main() {
    // Without this, any file of the package that changes would have everything built anew.
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_NODE").is_some() {
        napi_build::setup();
    }
}
