//! Jinja as Ansible's users know it: minijinja's parser under an evaluator of our own, over a [`Value`] of our own.
