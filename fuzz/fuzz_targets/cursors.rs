#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    zhibu::fuzz::run("cursors", bytes);
});
