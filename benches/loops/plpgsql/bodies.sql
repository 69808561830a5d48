create function pg_temp.energy(x float[], y float[], z float[], vx float[], vy float[], vz float[], mass float[]) returns float language plpgsql as $$
declare e float := 0; dx float; dy float; dz float;
begin
  for i in 1..5 loop
    e := e + 0.5 * mass[i] * (vx[i] * vx[i] + vy[i] * vy[i] + vz[i] * vz[i]);
    for j in i + 1..5 loop
      dx := x[i] - x[j];
      dy := y[i] - y[j];
      dz := z[i] - z[j];
      e := e - mass[i] * mass[j] / sqrt(dx * dx + dy * dy + dz * dz);
    end loop;
  end loop;
  return e;
end $$;
create function pg_temp.simulate(steps int) returns float language plpgsql as $$
declare
  x float[] := array[0, 4.84143144246472090e0, 8.34336671824457987e0, 1.28943695621391310e1, 1.53796971148509165e1];
  y float[] := array[0, -1.16032004402742839e0, 4.12479856412430479e0, -1.51111514016986312e1, -2.59193146099879641e1];
  z float[] := array[0, -1.03622044471123109e-1, -4.03523417114321381e-1, -2.23307578892655734e-1, 1.79258772950371181e-1];
  vx float[] := array[0, 6.06326392995832e-1, -1.01077434617879e0, 1.08279100644153e0, 9.79090732243898e-1];
  vy float[] := array[0, 2.81198684491626e0, 1.82566237123041e0, 8.68713018169608e-1, 5.94698998647676e-1];
  vz float[] := array[0, -2.52183616598876e-2, 8.41576137658415e-3, -1.08326374013636e-2, -3.47555955504078e-2];
  mass float[] := array[3.94784176043574e1, 3.76936749096581e-2, 1.12863261319687e-2, 1.72372405705971e-3, 2.03368686992463e-3];
  dt float := 0.01; dx float; dy float; dz float; d float; mag float;
begin
  for step in 1..steps loop
    for i in 1..5 loop
      for j in i + 1..5 loop
        dx := x[i] - x[j];
        dy := y[i] - y[j];
        dz := z[i] - z[j];
        d := dx * dx + dy * dy + dz * dz;
        mag := dt / (d * sqrt(d));
        vx[i] := vx[i] - dx * mass[j] * mag;
        vy[i] := vy[i] - dy * mass[j] * mag;
        vz[i] := vz[i] - dz * mass[j] * mag;
        vx[j] := vx[j] + dx * mass[i] * mag;
        vy[j] := vy[j] + dy * mass[i] * mag;
        vz[j] := vz[j] + dz * mass[i] * mag;
      end loop;
    end loop;
    for i in 1..5 loop
      x[i] := x[i] + dt * vx[i];
      y[i] := y[i] + dt * vy[i];
      z[i] := z[i] + dt * vz[i];
    end loop;
  end loop;
  return pg_temp.energy(x, y, z, vx, vy, vz, mass);
end $$;
select round(pg_temp.simulate({size})::numeric, 9);
