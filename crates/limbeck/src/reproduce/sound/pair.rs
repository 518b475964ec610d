//! A teacher, its student before training, and everything they are trained and measured on.

use std::sync::{Arc, Mutex};

use limbeck_data::examples::TokenExample;
use limbeck_eval::ShiftedSet;
use limbeck_eval::contrast::ContrastTask;
use limbeck_model::{Decoder, Tokenizer};
use limbeck_teach::{LocalTeacher, TeacherIdentity};

use super::measure::Inside;

/// All that one seed's students share.
pub(super) struct Pair {
    /// The teacher.
    pub(super) teacher: Decoder,
    /// Hash of all that decides the teacher's weights.
    pub(super) teacher_key: String,
    /// The tokenizer of both.
    pub(super) tokenizer: Tokenizer,
    /// The student before training.
    pub(super) student: Decoder,
    /// What students learn from.
    pub(super) training: Arc<[TokenExample]>,
    /// What accuracy and agreement are measured on; none of it was trained on.
    pub(super) scored: Vec<ShiftedSet>,
    /// The prompts soundness is measured on.
    pub(super) task: ContrastTask,
    /// The prompts of a second task, in the phases that ask for one.
    pub(super) second_task: Option<ContrastTask>,
    /// What was measured inside the teacher, once asked for.
    pub(super) inside: Mutex<Option<Arc<Inside>>>,
}

impl Pair {
    /// A pair of which nothing is measured yet.
    pub(super) fn new(
        teacher: Decoder,
        teacher_key: String,
        tokenizer: Tokenizer,
        student: Decoder,
        training: Arc<[TokenExample]>,
        scored: Vec<ShiftedSet>,
        task: ContrastTask,
    ) -> Self {
        Self {
            teacher,
            teacher_key,
            tokenizer,
            student,
            training,
            scored,
            task,
            second_task: None,
            inside: Mutex::default(),
        }
    }

    /// The teacher as the trainer asks it.
    pub(super) fn local_teacher(&self) -> LocalTeacher {
        let identity = TeacherIdentity {
            hash: self.teacher_key.clone(),
            tokenizer_hash: self.tokenizer.hash(),
            vocab_size: self.teacher.config().vocab_size,
            origin: "the experiment's teacher".to_owned(),
        };
        LocalTeacher::new(self.teacher.clone(), identity)
    }
}
