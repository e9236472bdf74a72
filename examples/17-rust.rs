// SPDX-License-Identifier: MIT
//
// Run: 17-rust HOST WORD...
//
// Lesson 17: rfork() from Rust.  Two declarations are all that is needed:
//
//     rustc -O 17-rust.rs
//
// The child has all values as they are, may panic and catch that, and begin threads.  It ends by _exit()
// in the function that began it, so that no value is dropped twice.
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io::{Error, Read, Write};
use std::os::fd::FromRawFd;
use std::os::raw::{c_char, c_int};

#[link(name = "rfork")]
extern "C" {
    fn rfork(host: *const c_char) -> c_int;
    fn rfork_error() -> *const c_char;
}

extern "C" {
    fn pipe(ends: *mut c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn _exit(status: c_int) -> !;
}

/// Runs `work` on the node; what it returns as text, or why there is nothing.
fn call_there(host: &CStr, work: impl Fn() -> String + std::panic::RefUnwindSafe) -> Result<String, String> {
    let mut ends = [-1; 2];
    if unsafe { pipe(ends.as_mut_ptr()) } < 0 {
        return Err(Error::last_os_error().to_string());
    }
    let [mut from, mut to] = ends.map(|end| unsafe { std::fs::File::from_raw_fd(end) });
    let pid = unsafe { rfork(host.as_ptr()) };
    if pid < 0 {
        return Err(unsafe { CStr::from_ptr(rfork_error()) }.to_string_lossy().into_owned());
    }
    if pid == 0 {
        let done = std::panic::catch_unwind(&work).map(|text| to.write_all(text.as_bytes()).is_ok());
        unsafe { _exit(if matches!(done, Ok(true)) { 0 } else { 1 }) }
    }
    drop(to);
    let mut text = String::new();
    from.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let mut status = -1;
    if unsafe { waitpid(pid, &mut status, 0) } != pid || status != 0 {
        return Err(format!("the child ended with status {status:#x}"));
    }
    Ok(text)
}

/// The most frequent letter, found by a thread for each half.
fn find_favourite(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let halves = letters.chunks(letters.len().div_ceil(2)).map(<[char]>::to_vec);
    let threads: Vec<_> = halves
        .map(|half| {
            std::thread::spawn(move || {
                let mut counts = HashMap::new();
                half.iter().for_each(|letter| *counts.entry(*letter).or_insert(0) += 1);
                counts
            })
        })
        .collect();
    let mut counts: HashMap<char, i32> = HashMap::new();
    for thread in threads {
        for (letter, count) in thread.join().expect("a thread") {
            *counts.entry(letter).or_insert(0) += count;
        }
    }
    let (letter, count) = counts.iter().max_by_key(|(letter, count)| (**count, **letter)).unwrap();
    format!("{count} times {letter}")
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let host = CString::new(arguments.next().expect("usage: 17-rust HOST WORD...")).unwrap();
    let mut has_failed = false;
    for word in arguments {
        match call_there(&host, || find_favourite(&word)) {
            Ok(answer) => println!("{word}: {answer}"),
            Err(why) => {
                has_failed = true;
                println!("{word:?}: {why}");
            }
        }
    }
    std::process::exit(has_failed.into());
}
