//! Whole-system tests: one binary, one module a subject. A test fails if a file in this folder is not listed here.

mod bad_content;
mod bad_input;
mod enrolment;
mod explain;
mod faults;
mod house;
mod modules;
mod person;
mod quickstart;
mod ssh;
mod webapp;
