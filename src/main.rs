use shakedown::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&args[1]).unwrap();
    let overrides = scenario::Overrides { sets: args[2..].to_vec(), ..Default::default() };
    let s = match scenario::Scenario::load(&args[1], "x", &text, &overrides) { Ok(s) => s, Err(e) => { eprintln!("{e}"); std::process::exit(2) } };
    let t = std::time::Instant::now();
    let mut r = (record::Digest::default(), metrics::Metrics::new(s.layout()));
    driver::run(&s, &mut r);
    let el = t.elapsed();
    let m = r.1.finish(time::Timestamp(s.file.duration.0));
    for x in &m.summary.metrics { println!("{} {:?}", x.path, x.value); }
    println!("{} {:?} {:?}", r.0, el, t.elapsed());
    println!("us per handshake {}", el.as_secs_f64()*1e6/s.sessions() as f64);
}
