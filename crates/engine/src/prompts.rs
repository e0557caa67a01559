//! `vars_prompt`: variables of a play that a person types.

use std::sync::Arc;

use jinja::{Templar, Value};
use language::{Play, Vars};
use yaml::Diagnostic;

use crate::person::{Answer, Person, Question, Until};
use crate::run::with_play_templar;
use crate::scope::PlayScope;
use crate::world::World;

/// An entry of `vars_prompt`, rendered.
pub(crate) struct Prompt {
    name: Arc<str>,
    text: Option<String>,
    default: Option<Value>,
    is_private: bool,
    confirms: bool,
    /// What is typed is data and no template.
    is_unsafe: bool,
    /// `encrypt`, `salt` and `salt_size`, when it is to be hashed.
    hash: Option<Vars>,
}

/// The prompts of a play, but for variables that `--extra-vars` sets.
pub(crate) fn prompts(
    world: &World,
    play: &Play,
    scope: &PlayScope,
) -> Result<Vec<Prompt>, Diagnostic> {
    let mut prompts = Vec::new();
    with_play_templar(world, play, scope, |templar| {
        for raw in &play.vars_prompt {
            let entry = templar.resolve(raw).map_err(Diagnostic::from)?;
            let prompt = Prompt::read(&entry)?;
            prompts.extend(prompt.filter(|it| !world.extra.vars.contains_key(&it.name)));
        }
        Ok(())
    })?;
    Ok(prompts)
}

/// What prompts come to when nobody is asked.
pub(crate) fn defaults(prompts: &[Prompt]) -> Vars {
    prompts.iter().map(|prompt| (prompt.name.clone(), prompt.default())).collect()
}

/// Asks for the variables of a play, where someone is there.
pub(crate) async fn ask(world: &World, play: &Play, scope: &PlayScope) -> Result<Vars, Diagnostic> {
    let prompts = prompts(world, play, scope)?;
    let Some(person) = world.options.person.clone().filter(|person| person.is_there()) else {
        for prompt in &prompts {
            world.events.warn(format!(
                "Not prompting as we are not in interactive mode: the default of '{}' is used",
                prompt.name
            ));
        }
        return Ok(defaults(&prompts));
    };
    let mut vars = Vars::new();
    for prompt in prompts {
        let typed = prompt.typed(&*person, world).await;
        let typed = typed.ok_or_else(|| {
            Diagnostic::error(format!("nobody answered the prompt for '{}'", prompt.name))
                .at(&play.span)
        })?;
        let value = prompt.value(typed, world, play, scope)?;
        vars.insert(prompt.name, value);
    }
    Ok(vars)
}

impl Prompt {
    /// `None` for an entry without a name, which reading the play refuses.
    fn read(entry: &Value) -> Result<Option<Self>, Diagnostic> {
        let Some(name) = entry.get("name") else { return Ok(None) };
        let given = |key: &str| entry.get(key).filter(|value| !value.is_none());
        let flag = |key: &str, usual: bool| match given(key) {
            Some(value) => crate::attributes::to_bool(key, &value).map_err(Diagnostic::from),
            None => Ok(usual),
        };
        let hash = given("encrypt").map(|scheme| {
            let options = ["salt", "salt_size"].map(|key| (Arc::from(key), given(key)));
            let options = options.into_iter().filter_map(|(key, value)| Some((key, value?)));
            options.chain([(Arc::from("scheme"), scheme)]).collect()
        });
        Ok(Some(Self {
            name: name.to_string().into(),
            text: given("prompt").map(|text| text.to_string()),
            default: given("default"),
            is_private: flag("private", true)?,
            confirms: flag("confirm", false)?,
            is_unsafe: flag("unsafe", false)?,
            hash,
        }))
    }

    fn default(&self) -> Value {
        self.default.clone().unwrap_or_else(|| Value::from(""))
    }

    fn text(&self) -> String {
        let text = self.text.as_deref().unwrap_or(&self.name);
        match &self.default {
            Some(default) => format!("{text} [{default}]: "),
            None => format!("{text}: "),
        }
    }

    /// What a person types, twice the same where that is wanted.
    async fn typed(&self, person: &dyn Person, world: &World) -> Option<String> {
        let mut text = self.text();
        loop {
            let first = self.line(person, world, text.clone()).await?;
            if !self.confirms
                || first == self.line(person, world, format!("confirm {}", self.text())).await?
            {
                return Some(first);
            }
            text = format!("***** VALUES ENTERED DO NOT MATCH ****\n{}", self.text());
        }
    }

    async fn line(&self, person: &dyn Person, world: &World, text: String) -> Option<String> {
        let question = Question { text, until: Until::Enter, is_hidden: self.is_private };
        match person.ask(question, world.events.sent()).await {
            Answer::Text(line) => Some(line),
            Answer::Interrupted | Answer::TimeOver | Answer::Nobody => None,
        }
    }

    /// What was typed, hashed if that is wanted, as the play sees it.
    fn value(
        &self,
        typed: String,
        world: &World,
        play: &Play,
        scope: &PlayScope,
    ) -> Result<Value, Diagnostic> {
        if typed.is_empty() && self.default.is_some() {
            return Ok(self.default());
        }
        let Some(hash) = &self.hash else {
            // Who types at the terminal of the controller is trusted as much as who wrote the play.
            return Ok(if self.is_unsafe {
                Value::from(typed)
            } else {
                Value::trusted(typed, None)
            });
        };
        let mut vars = hash.clone();
        vars.insert("typed".into(), Value::from(typed));
        let scope = scope.with_prompted(vars);
        let template = Value::trusted(
            "{{ typed | password_hash(scheme, salt | default(''), salt_size=salt_size | default(none)) }}",
            None,
        );
        with_play_templar(world, play, &scope, |templar: &Templar<'_>| {
            templar.resolve(&template).map_err(Diagnostic::from)
        })
    }
}
