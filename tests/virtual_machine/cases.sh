# Works through the cases, and writes one line about each to the second serial port, $RESULTS.

stty raw <"$RESULTS"
for case in /cases/*; do
  timeout "$PATIENCE" sh "$case" >/tmp/stdout 2>/tmp/stderr </dev/null
  echo "$? $(base64 -w0 </tmp/stdout) $(base64 -w0 </tmp/stderr)" >"$RESULTS"
done
