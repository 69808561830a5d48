//! What statements are called, for messages.
//!
//! `CREATE UNIQUE INDEX i ON t (a)` is called `CREATE INDEX`.
//!
//! Invariants: capitals; no modifiers such as OR REPLACE.
//!
//! Does not: say whether a statement can be run.

use std::borrow::Cow;

use super::{DefineType, MaintainTask, ObjectKind, RoutineForm, StatementKind, TypeBody, TypeForm};

impl StatementKind {
    /// The statement's name in capitals, such as `CREATE TABLE`.
    pub fn name(&self) -> Cow<'static, str> {
        let words = match self {
            Self::CreateView(view) if view.materialized => create(ObjectKind::MaterializedView),
            Self::CreateTable(_) => create(ObjectKind::Table),
            Self::CreateView(_) => create(ObjectKind::View),
            Self::CreateIndex(_) => create(ObjectKind::Index),
            Self::CreateSchema(_) => create(ObjectKind::Schema),
            Self::CreateSnapshot(_) => create(ObjectKind::Snapshot),
            Self::CreateBranch(_) => create(ObjectKind::Branch),
            Self::CreateWatermark(_) => create(ObjectKind::Watermark),
            Self::Drop(drop) => format!("DROP {}", drop.kind.words()),
            Self::DescribeObject(describe) => format!("DESCRIBE {}", describe.kind.words()),
            Self::DiffRoutine(diff) => format!("DIFF {}", diff.kind.words()),
            Self::Unsupported { feature } => feature.clone(),
            Self::Routine(routine) => {
                let kind = if routine.is_procedure { "PROCEDURE" } else { "FUNCTION" };
                match routine.form {
                    RoutineForm::Local => kind.to_owned(),
                    RoutineForm::Upsert => format!("UPSERT {kind}"),
                    RoutineForm::Create { .. } => format!("CREATE {kind}"),
                }
            }
            Self::UpsertTrigger(_) => "UPSERT TRIGGER".to_owned(),
            Self::CreateTrigger(_) => create(ObjectKind::Trigger),
            Self::ToggleTrigger(toggle) => {
                let word = if toggle.enable { "ENABLE" } else { "DISABLE" };
                format!("{word} {}", ObjectKind::Trigger.words())
            }
            other => return Cow::Borrowed(other.words()),
        };
        Cow::Owned(words)
    }

    fn words(&self) -> &'static str {
        match self {
            Self::Query(_) => "query",
            Self::Copy(_) => "COPY TO",
            Self::CopyFrom(_) => "COPY FROM",
            Self::Explain(_) => "EXPLAIN",
            Self::Set(_) => "SET",
            Self::Show(_) => "SHOW",
            Self::Describe(_) | Self::DescribeObject(_) => "DESCRIBE",
            Self::CreateTable(_) | Self::CreateView(_) | Self::CreateIndex(_) | Self::CreateSchema(_) => "CREATE",
            Self::CreateSnapshot(_) | Self::CreateBranch(_) | Self::CreateWatermark(_) => "CREATE",
            Self::AlterTable(_) => "ALTER TABLE",
            Self::AlterType(_) => "ALTER TYPE",
            Self::Drop(_) => "DROP",
            Self::Refresh(_) => "REFRESH MATERIALIZED VIEW",
            Self::Truncate(_) => "TRUNCATE",
            Self::Insert(_) => "INSERT",
            Self::Upsert(_) => "UPSERT",
            Self::Update(_) => "UPDATE",
            Self::Delete(_) => "DELETE",
            Self::Merge(_) => "MERGE",
            Self::Begin(_) => "BEGIN",
            Self::Commit(_) => "COMMIT",
            Self::Rollback(_) => "ROLLBACK",
            Self::Savepoint(_) => "SAVEPOINT",
            Self::Release(_) => "RELEASE",
            Self::UseBranch(_) => "USE BRANCH",
            Self::MergeBranch(_) => "MERGE BRANCH",
            Self::Diff(_) => "DIFF",
            Self::Log(_) => "LOG",
            Self::Blame(_) => "BLAME",
            Self::VerifyTable(_) => "VERIFY TABLE",
            Self::Prove(_) => "PROVE",
            Self::AdvanceWatermark(_) => "ADVANCE WATERMARK",
            Self::Prepare(_) => "PREPARE",
            Self::Execute(_) => "EXECUTE",
            Self::Deallocate(_) => "DEALLOCATE",
            Self::Attach(_) => "ATTACH",
            Self::Detach(_) => "DETACH",
            Self::Use(_) => "USE",
            Self::Analyze(_) => "ANALYZE",
            Self::Maintain(maintain) => match maintain.task {
                MaintainTask::Vacuum => "VACUUM",
                MaintainTask::Checkpoint => "CHECKPOINT",
                MaintainTask::Compact => "COMPACT",
            },
            Self::Cache(_) => "CACHE",
            _ => self.words_of_programs(),
        }
    }

    /// Of what the procedural half of the language has.
    fn words_of_programs(&self) -> &'static str {
        match self {
            Self::Let(_) => "LET",
            Self::Assign(_) => "assignment",
            Self::If(_) => "IF",
            Self::While(_) => "WHILE",
            Self::For(_) => "FOR",
            Self::Then(_) => "THEN",
            Self::Return(_) => "RETURN",
            Self::Break => "BREAK",
            Self::Continue => "CONTINUE",
            Self::Throw(_) => "THROW",
            Self::Yield(_) => "YIELD",
            Self::Assert(_) => "ASSERT",
            Self::CallRoutine(_) => "CALL",
            Self::Eval(_) => "expression statement",
            Self::DefineException(_) => "TYPE EXCEPTION",
            Self::DefineMacro(_) => "MACRO",
            Self::Module(_) => "MODULE",
            Self::Import(_) => "IMPORT",
            Self::DefineType(define) => define.words(),
            Self::UpsertTrigger(_) | Self::CreateTrigger(_) | Self::ToggleTrigger(_) => "TRIGGER",
            Self::Test(_) => "TEST",
            Self::Audit(_) => "AUDIT",
            _ => "this form",
        }
    }
}

fn create(kind: ObjectKind) -> String {
    format!("CREATE {}", kind.words())
}

impl DefineType {
    fn words(&self) -> &'static str {
        match (self.form, &self.body) {
            (TypeForm::Create { .. }, _) => "CREATE TYPE",
            (TypeForm::Declare, TypeBody::Enum(_)) => "TYPE ENUM",
            (TypeForm::Declare, _) => "TYPE STRUCT",
        }
    }
}
