//! Compiling: errors, dumps, threads, and what happens to the memory.

use std::sync::Arc;

use expect_test::expect;
use gobi_jit::abi::{STATUS_DEPTH, STATUS_OK};
use gobi_jit::ir::{FuncId, Module};
use gobi_jit::testing::host_table;
use gobi_jit::{CompileError, CompileThread, Compiler, Executable, Interpreter, Options, text};

const SUM: &str = r#"
note !0 "a + b"
fn @sum(ptr, i64, i64) -> i64 {
b0(%0: ptr, %1: i64, %2: i64):
  %3: i64 = add %1, %2 !0
  %4: i64 = load %0 + 8
  %5: i64 = add %3, %4
  return %5
}"#;

fn module(text: &str) -> Module {
    text::parse(text).expect("the text is well formed")
}

fn compiler(options: Options) -> Compiler {
    Compiler::new(host_table(), options).expect("the machine is supported")
}

/// Compiles with the default options and gives the error.
fn error(text: &str) -> String {
    compiler(Options::default())
        .compile(&module(text))
        .expect_err("it must not compile")
        .to_string()
}

#[test]
fn host_functions_are_bound_to_the_table_only() {
    expect!["there is no host function test.missing"].assert_eq(&error("host @test.missing()"));
    // A symbol of the process.
    expect!["there is no host function malloc"].assert_eq(&error("host @malloc(i64) -> ptr"));
    let message = error("host @test.add(i64) -> i64");
    assert!(message.starts_with("host function test.add is "), "{message}");
    let interpreted = Interpreter::new(&module("host @malloc(i64) -> ptr"), &host_table());
    assert!(matches!(interpreted, Err(CompileError::Host(_))));
}

#[test]
fn a_failure_can_be_forced() {
    let options = Options {
        fail_on: Some("su".to_owned()),
        ..Options::default()
    };
    let result = compiler(options).compile(&module(SUM));
    assert!(matches!(result, Err(CompileError::Forced(name)) if name == "sum"));
}

#[test]
fn dumps_show_the_operation_beside_each_line() {
    let options = Options {
        dump: true,
        ..Options::default()
    };
    let compiled = compiler(options).compile(&module(SUM)).expect("it compiles");
    let function = &compiled.dump().expect("a dump was asked for").functions[0];
    let lines = function.clif.iter().map(|line| {
        let parts = [Some(&line.clif), line.ir.as_ref(), line.note.as_ref()];
        parts
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" | ")
    });
    expect![[r#"
        block0(v0: i64, v1: i64, v2: i64):
          v3 = iadd.i64 v1, v2 | %3: i64 = add %1, %2 !0 | a + b
          v4 = load.i64 notrap v0+8 | %4: i64 = load %0 + 8
          v5 = iadd.i64 v3, v4 | %5: i64 = add %3, %4
          return v5 | return %5"#]]
    .assert_eq(&lines.skip(1).collect::<Vec<_>>().join("\n"));
    assert_eq!(function.name, "sum");
    assert_eq!(function.ir[0], "fn @sum(ptr, i64, i64) -> i64 {");
    assert!(function.code_bytes > 0 && function.code_bytes <= compiled.code_bytes());
    let add = function
        .machine
        .iter()
        .find(|line| line.ir.as_deref() == Some("%3: i64 = add %1, %2 !0"));
    assert!(add.is_some(), "{:?}", function.machine);
    assert!(
        function
            .machine
            .iter()
            .all(|line| !line.bytes.is_empty() && !line.asm.is_empty())
    );
}

#[test]
fn a_thread_compiles_in_the_background() {
    let thread = CompileThread::new(Arc::new(compiler(Options::default())));
    let pending: Vec<_> = (0..20).map(|_| thread.submit(module(SUM))).collect();
    let failing = thread.submit(module("host @test.missing()"));
    let words = [0_u64, 30];
    for pending in pending {
        let compiled = pending.wait().expect("it compiles");
        let sum = compiled.kernel("sum").expect("it is a kernel");
        // SAFETY: the kernel reads the second word.
        let result = unsafe { compiled.call_kernel(sum, words.as_ptr().cast_mut().cast(), 10, 2) };
        assert_eq!(result, 42);
    }
    assert!(matches!(failing.wait(), Err(CompileError::Host(_))));
}

#[test]
fn compiled_modules_are_shared_between_threads() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Executable>();
    assert_shared::<Compiler>();
    assert_shared::<CompileThread>();
    let compiled = compiler(Options::default()).compile(&module(SUM)).expect("it compiles");
    let words = [0_u64, 1];
    std::thread::scope(|scope| {
        for i in 0..4 {
            let (compiled, words) = (&compiled, &words);
            scope.spawn(move || {
                // SAFETY: the kernel reads the second word.
                let sum = unsafe { compiled.call_kernel(FuncId(0), words.as_ptr().cast_mut().cast(), i, i) };
                assert_eq!(sum, 2 * i + 1);
            });
        }
    });
}

#[test]
fn endless_recursion_is_a_status_in_the_interpreter() {
    let text = "fn @f(ptr, i64, i64) -> i64 {
        b0(%p: ptr, %a: i64, %b: i64):
          %r: i64 = call @f(%p, %a, %b)
          return %r
        }";
    let interpreter = Interpreter::new(&module(text), &host_table()).expect("it decodes");
    // SAFETY: nothing is touched.
    let result = unsafe { interpreter.call_kernel(FuncId(0), std::ptr::null_mut(), 0, 0) };
    assert_eq!(result, STATUS_DEPTH);
}

#[test]
fn an_empty_module_compiles() {
    assert_eq!(
        compiler(Options::default())
            .compile(&Module::default())
            .expect("it compiles")
            .code_bytes(),
        0
    );
}

/// A function of 10,000 blocks: neither verifying nor decoding nor lowering may recurse.
#[test]
fn big_functions_are_no_danger_to_the_stack() {
    let mut text =
        String::from("fn @f(ptr, i64, i64) -> i64 {\n  local $x: i64\nb0(%0: ptr, %1: i64, %2: i64):\n  jump b1\n");
    let blocks = 10_000;
    for i in 1..blocks {
        let value = i * 2 + 1;
        text += &format!(
            "b{i}:\n  %{value}: i64 = get $x\n  %{}: i64 = add %{value}, %1\n",
            value + 1
        );
        text += &format!("  set $x, %{}\n  jump b{}\n", value + 1, i + 1);
    }
    text += &format!(
        "b{blocks}:\n  %{}: i64 = get $x\n  return %{}\n}}",
        blocks * 2 + 1,
        blocks * 2 + 1
    );
    let module = module(&text);
    let interpreter = Interpreter::new(&module, &host_table()).expect("it decodes");
    let options = Options {
        opt: gobi_jit::Opt::None,
        verify: false,
        ..Options::default()
    };
    let compiled = compiler(options).compile(&module).expect("it compiles");
    // SAFETY: nothing is touched.
    let results = unsafe {
        let frame = std::ptr::null_mut();
        (
            interpreter.call_kernel(FuncId(0), frame, 3, 0),
            compiled.call_kernel(FuncId(0), frame, 3, 0),
        )
    };
    assert_eq!(results, (3 * (blocks - 1), 3 * (blocks - 1)));
}

/// Cranelift leaks code memory unless told otherwise.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_freed_and_never_writable_and_executable() {
    let maps = || std::fs::read_to_string("/proc/self/maps").expect("the maps can be read");
    let compiler = compiler(Options {
        verify: false,
        ..Options::default()
    });
    let module = module(SUM);
    let before = maps().lines().count();
    for _ in 0..3000 {
        let compiled = compiler.compile(&module).expect("it compiles");
        let words = [0_u64, 0];
        // SAFETY: the kernel reads the second word.
        let result = unsafe { compiled.call_kernel(FuncId(0), words.as_ptr().cast_mut().cast(), 0, 0) };
        assert_eq!(result, STATUS_OK);
    }
    let kept = compiler.compile(&module).expect("it compiles");
    let maps = maps();
    assert!(maps.lines().count() < before + 500, "mappings are leaked");
    assert!(!maps.contains(" rwx"), "a page is writable and executable");
    drop(kept);
}

/// Runs itself once more with the variable set, since that must be set before the process starts.
#[cfg(target_os = "linux")]
#[test]
fn profilers_learn_the_names() {
    if std::env::var_os("GOBI_PERF_MAP").is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().expect("a test has a file"));
        let status = again
            .args(["--exact", "profilers_learn_the_names"])
            .env("GOBI_PERF_MAP", "1")
            .status();
        assert!(status.expect("the test runs").success());
        return;
    }
    let compiled = compiler(Options::default()).compile(&module(SUM)).expect("it compiles");
    let path = format!("/tmp/perf-{}.map", std::process::id());
    let map = std::fs::read_to_string(&path).expect("the map was written");
    std::fs::remove_file(&path).expect("the map can be removed");
    assert!(
        map.lines()
            .any(|line| line.ends_with(&format!(" {:x} sum", compiled.code_bytes()))),
        "{map}"
    );
}
