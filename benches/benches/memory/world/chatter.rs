//! What else is said: turns that answer no question.

/// Who may be talking; each agent takes two of them.
pub(crate) const NAMES: [&str; 20] = [
    "Mara", "Jonas", "Ilse", "Kofi", "Priya", "Anton", "Selma", "Diego", "Hana", "Owen", "Ruth", "Tariq",
    "Vera", "Lukas", "Nadia", "Piotr", "Greta", "Samir", "Elin", "Bruno",
];

/// People the user knows.
pub(crate) const RELATIVES: [&str; 8] = [
    "My cousin Dora", "My brother Felix", "My friend Agnes", "My aunt Rosa", "My colleague Ivan",
    "My sister Carla", "My neighbour Otto", "My uncle Bert",
];

/// What the user, or the other person, says beside the topics. `{day}` and `{thing}` vary.
pub(crate) const SAID: [&str; 36] = [
    "Can you put the {thing} on the list for {day}?",
    "Remind me about the {thing} on {day}, please.",
    "I can't find the {thing} anywhere.",
    "Somebody left a {thing} on the bus.",
    "The {thing} arrived a day early.",
    "What's a good word for someone who collects {thing}s?",
    "We are out of paper towels, and of the small bags.",
    "The lift was stuck for an hour on {day}.",
    "Please move the call to {day} afternoon.",
    "The library fine is paid.",
    "Everybody was late on {day} because of the fog.",
    "The printer says it has no paper, which is a lie.",
    "I wrote to the landlord about the {thing}.",
    "There is a street market on {day}.",
    "The choir was loud tonight, even with the window shut.",
    "I have to renew my passport before summer.",
    "The new timetable makes no sense to me.",
    "They painted the staircase yellow.",
    "I returned the {thing}, it was the wrong size.",
    "Can you write a short note to say thank you for the {thing}?",
    "The dishwasher beeps and nobody knows why.",
    "I voted by post this time.",
    "The bakery has a new oven and a longer queue.",
    "Let's talk about the {thing} another day.",
    "The meeting on {day} was shorter than planned.",
    "I read that old lighthouse novel again.",
    "The password for the archive is expired.",
    "My umbrella turned inside out on the bridge.",
    "The museum is free on the first {day} of the month.",
    "The dentist can see me on {day}.",
    "I filled in the tax form, all nine pages.",
    "Somebody parked across the gate again.",
    "We had pancakes and watched the rain.",
    "Is {day} a public holiday this year?",
    "The heating came on by itself in the night.",
    "I owe the post office a signature for the {thing}.",
];

/// What the assistant answers.
pub(crate) const ANSWERED: [&str; 24] = [
    "Noted.",
    "I have put it down for {day}.",
    "Thank you for telling me.",
    "I'll remind you on {day}.",
    "That sounds like a long day.",
    "Understood, anything else?",
    "I have added the {thing} to the list.",
    "Good to hear.",
    "I'm sorry to hear that.",
    "Here is a draft, tell me what to change.",
    "I can't look that up at the moment.",
    "Let me know how it goes.",
    "Shall we come back to it on {day}?",
    "Consider it done.",
    "I have nothing on that in the calendar.",
    "The list has four entries now.",
    "Would {day} suit you?",
    "That makes sense.",
    "I see, thanks.",
    "All right, I'll leave it at that.",
    "There are two meetings on {day}, both in the morning.",
    "The note is ready to be sent.",
    "I'd write it a little shorter.",
    "What a pity.",
];

/// Days of the week.
pub(crate) const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Things that come up.
pub(crate) const THINGS: [&str; 12] = [
    "parcel", "lamp", "ladder", "stapler", "kettle", "scarf", "notebook", "charger", "blanket", "clock",
    "mirror", "bucket",
];
