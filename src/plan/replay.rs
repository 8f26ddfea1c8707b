//! The engine replayed without a database: every small set × every command × a crash after every recorded step.
//!
//! After a crash the same command runs exactly what is left, in order; after success it plans nothing.

use super::history::{Applied, History, Progress};
use super::schedule::units;
use super::{App, Command, Plan, UpOptions, plan};
use crate::source::load::{Content, Entry, Folder};
use crate::source::{Dialect, MigrationId, MigrationSet, parse};
use std::collections::BTreeMap;

/// How many statements each part of a migration has, and whether the first of up cannot run in a transaction.
#[derive(Debug, Clone, Copy)]
struct Shape {
    up: usize,
    bare: bool,
    backfill: usize,
    finish: usize,
}

/// A database that remembers what ran.
#[derive(Debug, Clone, Default)]
struct Model {
    history: Option<History>,
    ran: Vec<String>,
    /// Recorded writes that are still allowed before the crash.
    left: Option<usize>,
}

/// The run was cut off.
#[derive(Debug)]
struct Crash;

impl Model {
    fn write(&mut self) -> Result<(), Crash> {
        match &mut self.left {
            Some(0) => Err(Crash),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn run(&mut self, set: &MigrationSet, plan: &Plan) -> Result<(), Crash> {
        if let Some(batch) = &plan.batch {
            self.write()?;
            let history = self.history.get_or_insert_with(History::default);
            history.batch = batch.number;
            history.app_version = batch.app_version.clone();
            for id in batch.undo.iter().flatten() {
                let applied = history.applied.get_mut(id);
                applied.expect("an undo is of members").progress = Progress::Undoing(0);
            }
            for id in &batch.leave {
                history.applied.remove(id);
            }
            for id in &batch.take {
                let migration = set.get(id).expect("a plan takes on what the files have");
                let applied = Applied {
                    name: migration.name.clone(),
                    batch: batch.number,
                    origin: batch.origin,
                    progress: Progress::BEGIN,
                    checksums: BTreeMap::new(),
                    app_version: batch.app_version.clone(),
                    started: None,
                    finished: None,
                    by: String::new(),
                };
                history.applied.insert(id.clone(), applied);
            }
        }
        for unit in units(set, plan) {
            self.write()?;
            for at in unit.range.clone() {
                self.ran
                    .push(format!("{} {} {at}", unit.migration.label(), unit.kind));
            }
            let history = self.history.as_mut().expect("a batch comes first");
            match unit.then {
                None => {
                    history.applied.remove(&unit.migration.id);
                }
                Some(then) => {
                    let applied = history.applied.get_mut(&unit.migration.id);
                    let applied = applied.expect("a unit is of a member of the batch");
                    applied.progress = then;
                    if let Some(part) = unit.part {
                        applied
                            .checksums
                            .insert(unit.kind, part.seal(unit.range.end));
                    }
                }
            }
        }
        Ok(())
    }
}

fn part(name: &str, statements: usize, bare: bool) -> Entry {
    let text: String = (0..statements)
        .map(|at| match (at, bare) {
            (0, true) => "vacuum t;\n".to_string(),
            _ => match name {
                "backfill.sql" => format!("update t set a = {at} where a is null;\n"),
                _ => format!("create table {}_{at} ();\n", &name[..2]),
            },
        })
        .collect();
    Entry {
        name: name.to_string(),
        path: name.to_string(),
        content: Content::Text(text.into_bytes()),
    }
}

fn folder(name: String, entries: Vec<Entry>) -> Entry {
    Entry {
        path: name.clone(),
        content: Content::Folder(Folder {
            path: name.clone(),
            entries,
        }),
        name,
    }
}

fn set(shapes: &[Shape]) -> MigrationSet {
    let entries = shapes
        .iter()
        .enumerate()
        .map(|(at, shape)| {
            let mut parts = vec![
                part("up.sql", shape.up, shape.bare),
                part("undo.sql", 2, false),
            ];
            if shape.backfill > 0 {
                parts.push(part("backfill.sql", shape.backfill, false));
            }
            if shape.finish > 0 {
                parts.push(part("finish.sql", shape.finish, shape.bare));
            }
            folder(format!("{}_m", at + 1), parts)
        })
        .collect();
    let root = Folder {
        path: "migrations".into(),
        entries,
    };
    parse::set(root, &BTreeMap::new(), Dialect::Postgres).expect("the test's files are in order")
}

fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (up, bare) in [(0, false), (1, false), (2, true)] {
        for backfill in [0, 2] {
            for finish in [0, 2] {
                shapes.push(Shape {
                    up,
                    bare,
                    backfill,
                    finish,
                });
            }
        }
    }
    shapes
}

fn up() -> Command {
    Command::Up(UpOptions::default())
}

/// Runs a command to its end in the model.
fn complete(model: &mut Model, set: &MigrationSet, command: &Command) -> Result<(), Crash> {
    let app = App::default();
    let decided = plan(set, model.history.as_ref(), &app, command);
    let plan = decided.unwrap_or_else(|refusal| panic!("{command:?} was refused: {refusal:?}"));
    model.run(set, &plan)
}

/// A crash after each recorded write of a command, and the rerun of the same command.
fn check_crashes(start: &Model, set: &MigrationSet, command: &Command) -> usize {
    let mut whole = start.clone();
    complete(&mut whole, set, command).expect("no crash was asked for");
    let again = plan(set, whole.history.as_ref(), &App::default(), command);
    assert!(
        again.as_ref().is_ok_and(Plan::is_empty),
        "{command:?} after success plans {again:?}"
    );
    for writes in 0.. {
        let mut model = start.clone();
        model.left = Some(writes);
        if complete(&mut model, set, command).is_ok() {
            return writes;
        }
        model.left = None;
        complete(&mut model, set, command).expect("no crash was asked for");
        assert_eq!(model.ran, whole.ran, "{command:?} after {writes} writes");
        assert_eq!(
            model.history, whole.history,
            "{command:?} after {writes} writes"
        );
    }
    unreachable!("a command ends")
}

fn all_sets(migrations: usize) -> Vec<Vec<Shape>> {
    let mut sets = vec![Vec::new()];
    for _ in 0..migrations {
        sets = sets
            .into_iter()
            .flat_map(|set: Vec<Shape>| {
                shapes().into_iter().map(move |shape| {
                    let mut longer = set.clone();
                    longer.push(shape);
                    longer
                })
            })
            .collect();
    }
    sets
}

#[test]
fn every_crash_is_resumed_exactly() {
    let mut cases = 0;
    for shapes in all_sets(1).into_iter().chain(all_sets(2)) {
        let all = set(&shapes);
        cases += check_crashes(&Model::default(), &all, &Command::Bootstrap);
        let mut base = Model::default();
        complete(&mut base, &MigrationSet::default(), &Command::Bootstrap).expect("no crash");
        cases += check_crashes(&base, &all, &up());
        let mut expanded = base.clone();
        complete(&mut expanded, &all, &up()).expect("no crash");
        cases += check_crashes(&expanded, &all, &Command::Finish);
        cases += check_crashes(&expanded, &all, &Command::Undo);
        // A crash in the middle of up, then undo: as if up had never been, and up is possible again.
        for writes in 1.. {
            let mut model = base.clone();
            model.left = Some(writes);
            if complete(&mut model, &all, &up()).is_ok() {
                break;
            }
            model.left = None;
            cases += check_crashes(&model, &all, &Command::Undo);
            complete(&mut model, &all, &Command::Undo).expect("no crash");
            let history = model.history.as_ref().expect("a bootstrap was run");
            assert!(history.applied.is_empty());
            complete(&mut model, &all, &up()).expect("no crash");
        }
    }
    assert!(cases > 1_000, "{cases} cases");
}

#[test]
fn three_migrations_with_a_finish_in_the_middle() {
    for shapes in all_sets(3).into_iter().step_by(7) {
        let all = set(&shapes);
        let mut base = Model::default();
        complete(&mut base, &MigrationSet::default(), &Command::Bootstrap).expect("no crash");
        check_crashes(&base, &all, &up());
        complete(&mut base, &all, &up()).expect("no crash");
        check_crashes(&base, &all, &Command::Finish);
    }
}

#[test]
fn files_that_appear_in_the_middle_wait_for_the_next_batch() {
    let one = Shape {
        up: 1,
        bare: false,
        backfill: 0,
        finish: 0,
    };
    let two = set(&[one, one]);
    let three = set(&[one, one, one]);
    let mut model = Model::default();
    complete(&mut model, &MigrationSet::default(), &Command::Bootstrap).expect("no crash");
    model.left = Some(2);
    assert!(complete(&mut model, &two, &up()).is_err());
    model.left = None;
    let resumed = plan(&three, model.history.as_ref(), &App::default(), &up());
    let resumed = resumed.expect("an interrupted up goes on");
    let ids: Vec<u64> = resumed.steps.iter().map(|step| step.id.number).collect();
    assert_eq!(ids, [2]);
    // A member that is not begun and whose file is gone leaves the batch.
    let gone = plan(&set(&[one]), model.history.as_ref(), &App::default(), &up());
    let batch = gone
        .expect("the rest goes on")
        .batch
        .expect("the batch changes");
    let second = MigrationId {
        subsystem: "core".into(),
        number: 2,
    };
    assert_eq!(batch.leave, [second]);
}
