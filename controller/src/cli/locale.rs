//! Under the names of Ansible's commands, a locale that is not UTF-8 is refused, as there.

use crate::settings::Environment;

/// Looks at the variables that decide the encoding; nothing set, `C` and `POSIX` are UTF-8 here.
pub(super) fn check(environment: &Environment) -> Result<(), String> {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| environment.get(*name).filter(|value| !value.is_empty()));
    let Some(locale) = set.filter(|locale| !matches!(locale.as_str(), "C" | "POSIX")) else {
        return Ok(());
    };
    let encoding = locale.split('@').next().and_then(|name| Some(name.split_once('.')?.1));
    match encoding {
        None => Err(format!(
            "Ansible could not initialize the preferred locale: unsupported locale setting ({locale})"
        )),
        Some(name) if matches!(name.to_lowercase().as_str(), "utf-8" | "utf8") => Ok(()),
        Some(name) => {
            Err(format!("Ansible requires the locale encoding to be UTF-8; Detected {name}."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pairs: &[(&str, &str)]) -> Option<String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        check(&pairs.collect()).err()
    }

    #[test]
    fn only_utf_8_will_do() {
        assert_eq!(refusal(&[]), None);
        assert_eq!(refusal(&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "x")]), None);
        assert_eq!(refusal(&[("LANG", "de_DE.utf8@euro")]), None);
        assert_eq!(refusal(&[("LC_ALL", "POSIX"), ("LANG", "de_DE.ISO-8859-1")]), None);
        let latin = refusal(&[("LANG", "de_DE.ISO-8859-1")]).unwrap();
        assert!(latin.contains("requires the locale encoding to be UTF-8"), "{latin}");
        let odd = refusal(&[("LC_ALL", "ham_sandwich"), ("LC_CTYPE", "C.UTF-8")]).unwrap();
        assert!(odd.contains("could not initialize the preferred locale"), "{odd}");
    }
}
