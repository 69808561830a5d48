create function pg_temp.build(n int) returns text language plpgsql as $$
declare t text := '';
begin
  for i in 0..n - 1 loop t := t || i || ','; end loop;
  return t;
end $$;
select length(pg_temp.build({size}));
