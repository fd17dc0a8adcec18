//! The command line: parses, and hands over to `zhibu::cli`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Fails only when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    zhibu::cli::main()
}
