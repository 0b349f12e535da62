//! What the access log is of: a word, or a share.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum AccessLog {
    Off,
    Errors,
    All,
    /// Errors, and this share of what is none.
    Share(f64),
}

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "want off, errors, all or a share such as 0.01")]
enum Written {
    Word(String),
    Share(f64),
}

impl TryFrom<Written> for AccessLog {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Share(share) if (0.0..=1.0).contains(&share) => Ok(Self::Share(share)),
            Written::Share(share) => Err(format!("{share} is not a share from 0 to 1")),
            Written::Word(word) => match word.as_str() {
                "off" => Ok(Self::Off),
                "errors" => Ok(Self::Errors),
                "all" => Ok(Self::All),
                _ => Err(format!("{word:?} is not off, errors, all or a share such as 0.01")),
            },
        }
    }
}

impl From<AccessLog> for Written {
    fn from(log: AccessLog) -> Self {
        match log {
            AccessLog::Off => Self::Word("off".to_owned()),
            AccessLog::Errors => Self::Word("errors".to_owned()),
            AccessLog::All => Self::Word("all".to_owned()),
            AccessLog::Share(share) => Self::Share(share),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{AccessLog, Config};

    #[test]
    fn it_is_a_word_or_a_share() {
        for (text, log) in [
            ("\"off\"", AccessLog::Off),
            ("\"errors\"", AccessLog::Errors),
            ("\"all\"", AccessLog::All),
            ("0.01", AccessLog::Share(0.01)),
            ("1", AccessLog::Share(1.0)),
        ] {
            let config = Config::parse(&format!("access_log = {text}")).unwrap();
            assert_eq!(config.access_log, log);
            let shown = serde_json::to_value(log).unwrap();
            assert_eq!(serde_json::from_value::<AccessLog>(shown).unwrap(), log);
        }
    }

    #[test]
    fn anything_else_is_refused_in_words() {
        for (text, problem) in [
            ("1.5", "access_log: 1.5 is not a share from 0 to 1"),
            ("nan", "access_log: NaN is not a share from 0 to 1"),
            ("\"some\"", "access_log: \"some\" is not off, errors, all or a share such as 0.01"),
            ("true", "access_log: want off, errors, all or a share such as 0.01"),
        ] {
            let invalid = Config::parse(&format!("access_log = {text}")).unwrap_err();
            assert_eq!(invalid.problems, [problem]);
        }
    }
}
