//! What `systemctl show` prints.

use model::Args;
use serde_json::Value;

/// `Name=value` lines. The value of an `Exec…` that opens a brace goes on over lines until that closes.
pub(crate) fn parse(text: &str) -> Args {
    let mut properties = Args::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some((name, mut value)) = open.take() {
            value.push('\n');
            value.push_str(line);
            if line.trim_end().ends_with('}') {
                properties.insert(name, value.trim().into());
            } else {
                open = Some((name, value));
            }
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let goes_on = name.starts_with("Exec")
            && value.trim_start().starts_with('{')
            && !value.trim_end().ends_with('}');
        if goes_on {
            open = Some((name.to_owned(), value.to_owned()));
        } else {
            properties.insert(name.to_owned(), value.trim().into());
        }
    }
    properties.extend(open.map(|(name, value)| (name, Value::from(value))));
    properties
}

/// A property as text; empty when there is none.
pub(crate) fn property<'a>(status: &'a Args, name: &str) -> &'a str {
    status.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read() {
        let status = parse(
            "Id=nginx.service\nActiveState=active\nEnvironment=A=b C=d\n\
             ExecStart={ path=/bin/sh ; argv[]=/bin/sh -c a\nb ; pid=1 }\nExecStop={ path=/x }\nbroken\nEmpty=\n",
        );
        assert_eq!(property(&status, "ActiveState"), "active");
        assert_eq!(property(&status, "Environment"), "A=b C=d");
        assert_eq!(
            property(&status, "ExecStart"),
            "{ path=/bin/sh ; argv[]=/bin/sh -c a\nb ; pid=1 }"
        );
        assert_eq!(property(&status, "ExecStop"), "{ path=/x }");
        assert_eq!(property(&status, "nosuch"), "");
        assert_eq!(status.len(), 6);
        assert_eq!(property(&parse("ExecStart={ never"), "ExecStart"), "{ never");
    }
}
