create function pg_temp.longest(n bigint) returns bigint language plpgsql as $$
declare best bigint := 0; place bigint := 0; x bigint; steps bigint;
begin
  for start in 1..n - 1 loop
    x := start;
    steps := 0;
    while x != 1 loop
      if x % 2 = 0 then x := x / 2; else x := 3 * x + 1; end if;
      steps := steps + 1;
    end loop;
    if steps > best then best := steps; place := start; end if;
  end loop;
  return place;
end $$;
select pg_temp.longest({size});
