"""`nginx.py FOLDER BEHIND`: an nginx configuration in a folder of its own, in front of a WebSocket server; prints the address that
is plain, and the one with TLS."""

import os
import socket
import subprocess
import sys

folder, behind = sys.argv[1:]
os.makedirs(folder)


def free():
    # Another process could take it before nginx does; on a machine under test, none is about to.
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % one.getsockname()[1]


plain, secure = free(), free()
tls = ""
try:
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", f"{folder}/key", "-out", f"{folder}/cert"], check=True, capture_output=True)
    tls = f"listen {secure} ssl; ssl_certificate {folder}/cert; ssl_certificate_key {folder}/key;"
except OSError:
    pass
with open(f"{folder}/nginx.conf", "w") as conf:
    conf.write(f"""
worker_processes 1;
pid {folder}/pid;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen {plain} backlog=1024;
        {tls}
        location / {{
            proxy_pass http://{behind};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
    }}
}}
""")
print(plain, secure)
