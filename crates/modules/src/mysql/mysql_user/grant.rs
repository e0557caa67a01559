//! Privileges: as tasks write them, as servers show them.

use std::collections::{BTreeMap, BTreeSet};

use databases::mysql::{Session, name, text};

use crate::contract::Failure;
use crate::mysql::login::failed;

/// Where privileges hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    /// `FUNCTION`, `PROCEDURE`, or nothing.
    kind: String,
    /// A pattern; `*`: all.
    database: String,
    /// `*`: all.
    object: String,
}

impl Scope {
    fn parse(written: &str) -> Result<Self, Failure> {
        let odd = || Failure::new(format!("priv: `{written}` is not of the form db.table"));
        let (kind, rest) = match written.split_once(' ') {
            Some((kind, rest))
                if matches!(kind.to_uppercase().as_str(), "FUNCTION" | "PROCEDURE" | "TABLE") =>
            {
                let kind = kind.to_uppercase();
                (if kind == "TABLE" { String::new() } else { kind }, rest.trim())
            }
            _ => (String::new(), written),
        };
        // A name in backquotes may have a dot.
        let (database, object) = match rest.strip_prefix('`').and_then(|rest| rest.split_once("`."))
        {
            Some((database, object)) => (database, object),
            None => rest.split_once('.').ok_or_else(odd)?,
        };
        let bare = |part: &str| part.trim().trim_matches('`').replace("``", "`");
        let (database, object) = (bare(database), bare(object));
        if database.is_empty() || object.is_empty() {
            return Err(odd());
        }
        Ok(Self { kind, database, object })
    }

    /// As in a statement.
    pub(super) fn sql(&self) -> String {
        let part = |text: &str| if text == "*" { "*".to_owned() } else { name(text) };
        let kind = if self.kind.is_empty() { String::new() } else { format!("{} ", self.kind) };
        format!("{kind}{}.{}", part(&self.database), part(&self.object))
    }

    fn is_global(&self) -> bool {
        self.database == "*" && self.object == "*"
    }
}

/// Privileges by where they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grants(pub BTreeMap<Scope, BTreeSet<String>>);

impl Grants {
    /// `db.table:SELECT,INSERT (a, b)/*.*:ALL`.
    pub(super) fn parse(written: &str, keeps_case: bool) -> Result<Self, Failure> {
        let mut grants = Self::default();
        for part in written.trim().split('/').filter(|part| !part.trim().is_empty()) {
            let (scope, list) = part.trim().rsplit_once(':').ok_or_else(|| {
                Failure::new(format!(
                    "invalid privileges string: `{part}` is not of the form db.table:PRIV"
                ))
            })?;
            let list = words(list)
                .iter()
                .map(|word| privilege(word, keeps_case))
                .collect::<Result<Vec<_>, _>>()?;
            grants.0.entry(Scope::parse(scope.trim())?).or_default().extend(list);
        }
        Ok(grants)
    }

    /// One line of `SHOW GRANTS`.
    fn take(&mut self, line: &str) -> Option<()> {
        let rest = line.strip_prefix("GRANT ")?;
        // Roles are granted without a place.
        let (list, rest) = rest.split_once(" ON ")?;
        let (scope, rest) = rest.split_once(" TO ")?;
        let scope = Scope::parse(scope).ok()?;
        let place = self.0.entry(scope).or_default();
        place.extend(words(list).iter().filter_map(|word| privilege(word, true).ok()));
        if rest.contains("WITH") && rest.contains("GRANT OPTION") {
            place.insert("GRANT".to_owned());
        }
        Some(())
    }

    /// As tasks write them.
    pub(crate) fn text(&self) -> String {
        let part = |(scope, list): (&Scope, &BTreeSet<String>)| {
            let kind =
                if scope.kind.is_empty() { String::new() } else { format!("{} ", scope.kind) };
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            format!("{kind}{}.{}:{}", scope.database, scope.object, list.join(","))
        };
        self.0.iter().map(part).collect::<Vec<_>>().join("/")
    }
}

/// A list with commas, but for those in parentheses.
fn words(list: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0;
    for letter in list.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words.into_iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

/// A privilege in one spelling; columns are sorted.
fn privilege(word: &str, keeps_case: bool) -> Result<String, Failure> {
    let (name, columns) = match word.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.trim_end_matches(')'))),
        None => (word.trim(), None),
    };
    let upper = name.to_uppercase();
    if upper.is_empty() || !upper.chars().all(|c| c.is_ascii_uppercase() || matches!(c, ' ' | '_'))
    {
        return Err(Failure::new(format!("invalid privileges string: `{word}` is no privilege")));
    }
    let upper = match upper.as_str() {
        "ALL PRIVILEGES" => "ALL".to_owned(),
        "GRANT OPTION" | "WITH GRANT OPTION" => "GRANT".to_owned(),
        _ => upper,
    };
    let Some(columns) = columns else { return Ok(upper) };
    let mut columns: Vec<String> = columns
        .split(',')
        .map(|column| column.trim().trim_matches('`'))
        .filter(|column| !column.is_empty())
        .map(|column| if keeps_case { column.to_owned() } else { column.to_uppercase() })
        .map(|column| databases::mysql::name(&column))
        .collect();
    columns.sort();
    columns.dedup();
    Ok(format!("{upper} ({})", columns.join(", ")))
}

/// Whether a list has all privileges, and this one with them.
pub(super) fn covers_all(list: &BTreeSet<String>, word: &str) -> bool {
    list.contains("ALL") && word != "GRANT"
}

/// MySQL shows all privileges of all databases one by one.
pub(super) fn is_all(list: &BTreeSet<String>, word: &str, scope: &Scope) -> bool {
    const SOME: [&str; 12] = [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "DROP",
        "RELOAD",
        "SHUTDOWN",
        "SUPER",
        "CREATE USER",
        "EVENT",
        "TRIGGER",
    ];
    word == "ALL" && scope.is_global() && SOME.iter().all(|word| list.contains(*word))
}

/// What a user may do.
pub(crate) fn grants(session: &mut Session, user: &str, host: &str) -> Result<Grants, Failure> {
    let sql = format!("SHOW GRANTS FOR {}@{}", text(user), text(host));
    let rows = session.rows(&sql).map_err(failed("cannot look what the user may do"))?;
    let mut grants = Grants::default();
    for row in &rows.rows {
        let line = row.first().and_then(databases::mysql::Cell::text).unwrap_or_default();
        // Lines that are no grants of privileges concern others.
        let _ = grants.take(&line);
    }
    for list in grants.0.values_mut() {
        list.remove("USAGE");
    }
    grants.0.retain(|_, list| !list.is_empty());
    Ok(grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_read_as_they_are_shown() {
        let written =
            Grants::parse("*.*:ALL,GRANT/db%.t:select (b, A),INSERT/FUNCTION d.f:EXECUTE", false)
                .expect("read");
        let mut shown = Grants::default();
        for line in [
            "GRANT ALL PRIVILEGES ON *.* TO `u`@`h` IDENTIFIED BY PASSWORD '*X' WITH GRANT OPTION",
            "GRANT SELECT (`A`, `B`), INSERT ON `db%`.`t` TO `u`@`h`",
            "GRANT EXECUTE ON FUNCTION `d`.`f` TO `u`@`h`",
            "GRANT `role` TO `u`@`h`",
        ] {
            let _ = shown.take(line);
        }
        assert_eq!(written, shown);
        for odd in ["db:ALL", "db.t", "db.t:SELECT; DROP", ".t:ALL"] {
            assert!(Grants::parse(odd, false).is_err(), "{odd}");
        }
    }
}
