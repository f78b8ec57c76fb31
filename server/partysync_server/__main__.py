from partysync_server.cli import main

main()
