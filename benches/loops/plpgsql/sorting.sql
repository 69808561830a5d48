create function pg_temp.sorted(n bigint) returns bigint language plpgsql as $$
declare a bigint[] := array_fill(0::bigint, array[n::int], array[0]); root bigint; item bigint; child bigint; result bigint := 0;
begin
  for i in 0..n - 1 loop a[i] := i * 7919 % 1000003; end loop;
  for start in reverse n / 2 - 1..0 loop
    root := start;
    item := a[root];
    child := 2 * root + 1;
    while child < n loop
      if child + 1 < n and a[child] < a[child + 1] then child := child + 1; end if;
      exit when item >= a[child];
      a[root] := a[child];
      root := child;
      child := 2 * root + 1;
    end loop;
    a[root] := item;
  end loop;
  for top in reverse n - 1..1 loop
    item := a[top];
    a[top] := a[0];
    root := 0;
    child := 1;
    while child < top loop
      if child + 1 < top and a[child] < a[child + 1] then child := child + 1; end if;
      exit when item >= a[child];
      a[root] := a[child];
      root := child;
      child := 2 * root + 1;
    end loop;
    a[root] := item;
  end loop;
  for i in 0..n - 1 loop result := (result * 31 + a[i]) % 1000000007; end loop;
  return result;
end $$;
select pg_temp.sorted({size});
