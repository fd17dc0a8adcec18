//! Fail points: places where a test build (feature `failpoints`) dies or waits as `FAILPOINTS` says, in the words of the
//! `fail` crate: `FAILPOINTS='db::after_commit=2%return'`. Other builds have none of it. tests/faults drives them.

/// Ends the process at once where the point is set to `return`, as kill -9 would; `sleep(ms)` and the like do what they say.
#[cfg(feature = "failpoints")]
pub fn point(name: &str) {
    fail::fail_point!(name, |_| std::process::abort());
}

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn point(_: &str) {}

/// Is this point set to `return`? For what a control breaks on purpose.
#[cfg(feature = "failpoints")]
pub fn is_broken(name: &str) -> bool {
    fail::fail_point!(name, |_| true);
    false
}

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn is_broken(_: &str) -> bool {
    false
}

/// Reads `FAILPOINTS`. Once, at the start of the process.
pub fn set_up() {
    #[cfg(feature = "failpoints")]
    if std::env::var_os("FAILPOINTS").is_some() {
        tracing::warn!("fail points are set: this process is there to be broken");
        // It takes its points away when it is dropped.
        std::mem::forget(fail::FailScenario::setup());
    }
}
