-- What is kept of a user as a whole. $1 tenant, $2 user.
select preferences, learned_facts, interaction_count, last_active_at
from afterthought.profiles
where tenant = $1 and user_id = $2
