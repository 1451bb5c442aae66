//! The words that commitments, to-dos and requests begin with.

/// What a cue makes of the words after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// "I'll": the speaker commits.
    Commit,
    /// "we'll": both sides commit.
    CommitTogether,
    /// "I promised … to": the verb comes a few words later.
    Promise,
    /// "leave … to me".
    LeaveToMe,
    /// "I can", a commitment after a yes.
    Offer,
    /// "I need to": the speaker's own to-do.
    Own,
    /// "we need to".
    Together,
    /// "someone has to".
    Somebody,
    /// "can you": a request, or a question about what the other side knows.
    Ask,
    /// "make sure to": a request.
    Tell,
    /// "would you mind …ing".
    TellGerund,
}

use Form::{
    Ask, Commit, CommitTogether, LeaveToMe, Offer, Own, Promise, Somebody, Tell, TellGerund, Together,
};

/// Every cue; of two that fit, the longer is meant.
pub(crate) const CUES: [(&[&str], Form); 85] = [
    (&["i'll"], Commit),
    (&["i", "will"], Commit),
    (&["will"], Commit),
    (&["i", "shall"], Commit),
    (&["i'm", "going", "to"], Commit),
    (&["i", "am", "going", "to"], Commit),
    (&["i'm", "gonna"], Commit),
    (&["im", "gonna"], Commit),
    (&["i", "promise", "to"], Commit),
    (&["i", "commit", "to"], Commit),
    (&["count", "on", "me", "to"], Commit),
    (&["let", "me"], Commit),
    (&["i", "promised"], Promise),
    (&["i", "promise"], Promise),
    (&["i've", "promised"], Promise),
    (&["leave"], LeaveToMe),
    (&["i", "can"], Offer),
    (&["we'll"], CommitTogether),
    (&["we", "will"], CommitTogether),
    (&["we're", "going", "to"], CommitTogether),
    (&["we", "are", "going", "to"], CommitTogether),
    (&["we're", "gonna"], CommitTogether),
    (&["i", "need", "to"], Own),
    (&["i", "need", "to", "remember", "to"], Own),
    (&["i", "have", "to"], Own),
    (&["i", "must"], Own),
    (&["i", "gotta"], Own),
    (&["i've", "gotta"], Own),
    (&["i've", "got", "to"], Own),
    (&["i", "still", "need", "to"], Own),
    (&["i", "still", "have", "to"], Own),
    (&["i", "should"], Own),
    (&["i", "can't", "forget", "to"], Own),
    (&["i", "mustn't", "forget", "to"], Own),
    (&["i", "must", "not", "forget", "to"], Own),
    (&["i", "must", "remember", "to"], Own),
    (&["note", "to", "self"], Own),
    (&["remind", "me", "to"], Own),
    (&["todo"], Own),
    (&["to-do"], Own),
    (&["gotta"], Own),
    (&["need", "to"], Own),
    (&["have", "to"], Own),
    (&["we", "need", "to"], Together),
    (&["we", "have", "to"], Together),
    (&["we", "must"], Together),
    (&["we", "should"], Together),
    (&["we", "still", "need", "to"], Together),
    (&["we", "still", "have", "to"], Together),
    (&["we've", "got", "to"], Together),
    (&["we", "gotta"], Together),
    (&["we", "must", "not", "forget", "to"], Together),
    (&["we", "can't", "forget", "to"], Together),
    (&["someone", "has", "to"], Somebody),
    (&["someone", "needs", "to"], Somebody),
    (&["someone", "should"], Somebody),
    (&["somebody", "has", "to"], Somebody),
    (&["somebody", "needs", "to"], Somebody),
    (&["somebody", "should"], Somebody),
    (&["can", "you"], Ask),
    (&["can", "u"], Ask),
    (&["could", "you"], Ask),
    (&["could", "u"], Ask),
    (&["would", "you"], Ask),
    (&["will", "you"], Ask),
    (&["would", "you", "be", "able", "to"], Tell),
    (&["are", "you", "able", "to"], Ask),
    (&["great", "if", "you", "could"], Tell),
    (&["nice", "if", "you", "could"], Tell),
    (&["good", "if", "you", "could"], Tell),
    (&["wondering", "if", "you", "could"], Tell),
    (&["appreciate", "it", "if", "you", "could"], Tell),
    (&["would", "you", "mind"], TellGerund),
    (&["do", "you", "mind"], TellGerund),
    (&["please"], Tell),
    (&["pls"], Tell),
    (&["i'd", "like", "you", "to"], Tell),
    (&["i", "would", "like", "you", "to"], Tell),
    (&["i", "need", "you", "to"], Tell),
    (&["i", "want", "you", "to"], Tell),
    (&["make", "sure", "to"], Tell),
    (&["make", "sure", "you"], Tell),
    (&["don't", "forget", "to"], Tell),
    (&["remember", "to"], Tell),
    (&["you", "need", "to"], Tell),
];
