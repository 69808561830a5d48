create function pg_temp.sieve(n int) returns int language plpgsql as $$
declare composite boolean[] := array_fill(false, array[n], array[0]); count int := 0; j bigint;
begin
  for i in 2..n - 1 loop
    if not composite[i] then
      count := count + 1;
      j := i::bigint * i;
      while j < n loop composite[j] := true; j := j + i; end loop;
    end if;
  end loop;
  return count;
end $$;
select pg_temp.sieve({size});
