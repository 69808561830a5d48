//! Prints what becomes of a text file of IR: `cargo run -p gobi-jit --example dump -- jit/filetests/run/control.gir`.

use gobi_jit::testing::host_table;
use gobi_jit::{Compiler, Options, text};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    let module = text::parse(&std::fs::read_to_string(path)?)?;
    let compiled = Compiler::new(
        host_table(),
        Options {
            dump: true,
            ..Options::default()
        },
    )?
    .compile(&module)?;
    for function in compiled.dump().into_iter().flat_map(|dump| &dump.functions) {
        println!("=== @{}, {} bytes", function.name, function.code_bytes);
        for line in &function.clif {
            println!("{:<60} {}", line.clif, line.ir.as_deref().unwrap_or_default());
        }
        for line in &function.machine {
            let ir = line.ir.as_deref().unwrap_or_default();
            println!("{:06x} {:<22} {:<45} {ir}", line.offset, line.bytes, line.asm);
        }
    }
    Ok(())
}
