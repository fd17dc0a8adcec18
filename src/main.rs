//! The command line: parses, and hands over to `zhibu::cli`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    zhibu::cli::main()
}
