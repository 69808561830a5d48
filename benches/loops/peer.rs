//! The five loops in Rust, to be timed beside gobi's: `rustc -O -C overflow-checks=on peer.rs && ./peer sieve`.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

fn sieve(n: i64) -> i64 {
    let mut composite: Vec<bool> = (0..n).map(|_| false).collect();
    let mut count = 0i64;
    for i in 2..n {
        if !composite[i as usize] {
            count += 1;
            let mut j = i * i;
            while j < n {
                composite[j as usize] = true;
                j += i;
            }
        }
    }
    count
}

fn longest(n: i64) -> i64 {
    let (mut best, mut at) = (0i64, 0i64);
    for start in 1..n {
        let (mut x, mut steps) = (start, 0i64);
        while x != 1 {
            x = if x % 2 == 0 { x / 2 } else { 3 * x + 1 };
            steps += 1;
        }
        if steps > best {
            (best, at) = (steps, start);
        }
    }
    at
}

fn build(n: i64) -> usize {
    let mut text = String::new();
    for i in 0..n {
        write!(text, "{i}").unwrap();
        text.push(',');
    }
    text.len()
}

fn sink(a: &mut [i64], mut root: i64, item: i64, end: i64) {
    let mut child = 2 * root + 1;
    while child < end {
        if child + 1 < end && a[child as usize] < a[(child + 1) as usize] {
            child += 1;
        }
        if item >= a[child as usize] {
            break;
        }
        a[root as usize] = a[child as usize];
        root = child;
        child = 2 * root + 1;
    }
    a[root as usize] = item;
}

fn sorted(n: i64) -> i64 {
    let mut a: Vec<i64> = (0..n).map(|i| i * 7_919 % 1_000_003).collect();
    for start in (0..n / 2).rev() {
        let item = a[start as usize];
        sink(&mut a, start, item, n);
    }
    for last in (1..n).rev() {
        let item = a[last as usize];
        a[last as usize] = a[0];
        sink(&mut a, 0, item, last);
    }
    a.iter().fold(0, |check, x| (check * 31 + x) % 1_000_000_007)
}

fn energy(x: &[f64], y: &[f64], z: &[f64], vx: &[f64], vy: &[f64], vz: &[f64], mass: &[f64]) -> f64 {
    let mut e = 0.0;
    for i in 0..5 {
        e += 0.5 * mass[i] * (vx[i] * vx[i] + vy[i] * vy[i] + vz[i] * vz[i]);
        for j in i + 1..5 {
            let (dx, dy, dz) = (x[i] - x[j], y[i] - y[j], z[i] - z[j]);
            e -= mass[i] * mass[j] / (dx * dx + dy * dy + dz * dz).sqrt();
        }
    }
    e
}

fn simulate(steps: i64) -> f64 {
    let mut x = vec![0e0, 4.84143144246472090e0, 8.34336671824457987e0, 1.28943695621391310e1, 1.53796971148509165e1];
    let mut y = vec![0e0, -1.16032004402742839e0, 4.12479856412430479e0, -1.51111514016986312e1, -2.59193146099879641e1];
    let mut z =
        vec![0e0, -1.03622044471123109e-1, -4.03523417114321381e-1, -2.23307578892655734e-1, 1.79258772950371181e-1];
    let mut vx = vec![0e0, 6.06326392995832e-1, -1.01077434617879e0, 1.08279100644153e0, 9.79090732243898e-1];
    let mut vy = vec![0e0, 2.81198684491626e0, 1.82566237123041e0, 8.68713018169608e-1, 5.94698998647676e-1];
    let mut vz = vec![0e0, -2.52183616598876e-2, 8.41576137658415e-3, -1.08326374013636e-2, -3.47555955504078e-2];
    let mass =
        vec![3.94784176043574e1, 3.76936749096581e-2, 1.12863261319687e-2, 1.72372405705971e-3, 2.03368686992463e-3];
    let dt = 0.01;
    for _ in 0..steps {
        for i in 0..5 {
            for j in i + 1..5 {
                let (dx, dy, dz) = (x[i] - x[j], y[i] - y[j], z[i] - z[j]);
                let d = dx * dx + dy * dy + dz * dz;
                let mag = dt / (d * f64::sqrt(d));
                vx[i] -= dx * mass[j] * mag;
                vy[i] -= dy * mass[j] * mag;
                vz[i] -= dz * mass[j] * mag;
                vx[j] += dx * mass[i] * mag;
                vy[j] += dy * mass[i] * mag;
                vz[j] += dz * mass[i] * mag;
            }
        }
        for i in 0..5 {
            x[i] += dt * vx[i];
            y[i] += dt * vy[i];
            z[i] += dt * vz[i];
        }
    }
    energy(&x, &y, &z, &vx, &vy, &vz, &mass)
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let begun = Instant::now();
    let result = match name.as_str() {
        "sieve" => sieve(black_box(10_000_000)).to_string(),
        "collatz" => longest(black_box(3_000_000)).to_string(),
        "strings" => build(black_box(2_000_000)).to_string(),
        "sorting" => sorted(black_box(1_000_000)).to_string(),
        "bodies" => format!("{:.9}", simulate(black_box(1_000_000))),
        _ => panic!("five loops: sieve, collatz, strings, sorting, bodies"),
    };
    println!("{result}\n{:.4}", begun.elapsed().as_secs_f64());
}
