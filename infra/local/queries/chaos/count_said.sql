-- How many events were said through each mouth: what they say begins with its name.
select split_part(coalesce(content, ''), ' ', 1) as mouth, count(*) as events
from afterthought.session_events
group by 1
