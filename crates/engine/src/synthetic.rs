//! Tasks that no file holds: gathering facts, and the flush of handlers between the stages of a play.

use std::sync::Arc;

use jinja::Value;
use language::{Action, Common, Item, LoopControl, Play, Task, Vars};

/// Gathers facts with the play's `gather_subset`, `gather_timeout` and `fact_path`.
pub(crate) fn gather(play: &Play) -> Item {
    let mut args = Vars::new();
    let options = [
        ("gather_subset", &play.gather_subset),
        ("gather_timeout", &play.gather_timeout),
        ("fact_path", &play.fact_path),
    ];
    for (name, value) in options {
        args.extend(value.clone().map(|value| (Arc::from(name), value)));
    }
    let common = Common {
        name: Some(Value::from("Gathering Facts")),
        tags: vec![Value::from("always")],
        ..Common::default()
    };
    task(play, common, "setup", args, None)
}

/// Runs the handlers that were notified so far.
pub(crate) fn flush(play: &Play) -> Item {
    let common = Common { tags: vec![Value::from("always")], ..Common::default() };
    task(play, common, "meta", Vars::new(), Some(Value::from("flush_handlers")))
}

fn task(play: &Play, common: Common, action: &str, args: Vars, free_form: Option<Value>) -> Item {
    let written = if action == "setup" { "gather_facts" } else { action };
    Item::Task(Arc::new(Task {
        common: Arc::new(common),
        span: play.span.clone(),
        file: play.span.file.path.clone(),
        action: Action {
            name: action.into(),
            written: written.into(),
            trail: Vec::new(),
            span: play.span.clone(),
            args,
            free_form,
            args_template: None,
        },
        collections: Arc::default(),
        register: None,
        r#loop: None,
        loop_control: LoopControl::default(),
        until: Vec::new(),
        retries: None,
        delay: None,
        changed_when: Vec::new(),
        failed_when: Vec::new(),
        r#async: None,
        poll: None,
        listen: Vec::new(),
    }))
}
