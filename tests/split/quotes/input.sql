/* outer /* inner ; */ still ; */ select 1;
select 'it''s;', E'a\';', e'\\', U&'d\0061t;', u&"x;""y", "q;", N';', B'01', x'1F';
select $$;$$, $a$ $$;$$ $b$ $a$, $é$;$é$, a$b$c;
select 'a;'
  -- between
  'b;' /* ; */;
select 1 -- ; at the end of a comment
;;; -- nothing
select 1+--;
2, 3*/* ; */4, @-5;
select ';' as "a
;
b", E'x\
;';
select :a, b::text, c[1:2];
select '\'; select "\"; select $x$\$x$;
