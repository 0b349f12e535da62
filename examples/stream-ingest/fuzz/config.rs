//! Settings in any form are either refused with reasons, or good to serve with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use service::config::{Config, Invalid};
use service::settings::Settings;

fuzz_target!(|text: &str| {
    match Config::parse(text) {
        Ok(config) => {
            assert!(config.wants_demo() || config.target().is_some());
            let _ = Settings::new(config, 2);
        }
        Err(Invalid { problems }) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.is_empty()));
        }
    }
});
